"""What is measured: each invoice by stage, whole batches, PDF, pictures and reels beside their peers, queues, a device.

A case module has ``run(count) -> list[Row]``, ``DEFAULT_COUNT`` and ``NOTES``; with ``print_results(report, console)``
it prints its rows in its own way. A hyphen in a case's name is an underscore in its module's.
"""

NAMES = (
    "formats",
    "gpu",
    "images",
    "images-fidelity",
    "images-memory",
    "images-ocr",
    "lanes",
    "pdf",
    "pdf-memory",
    "pdf-start",
    "pipeline",
    "publish",
    "reel",
    "stages",
)
