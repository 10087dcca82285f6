"""What is measured: stages (ms an invoice), pipeline (invoices a second), PDF and pictures beside every peer, memory.

A case module has ``run(count) -> list[Row]``, ``DEFAULT_COUNT`` and ``NOTES``; with ``print_results(report, console)``
it prints its rows in its own way. A hyphen in a case's name is an underscore in its module's.
"""

NAMES = (
    "images",
    "images-fidelity",
    "images-memory",
    "images-ocr",
    "pdf",
    "pdf-memory",
    "pdf-start",
    "pipeline",
    "stages",
)
