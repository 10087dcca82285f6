"""What is measured: stages (ms an invoice), pipeline (invoices a second), page reels, PDF beside its peers.

The case ``gpu`` measures a device, where there is one.

A case module has ``run(count) -> list[Row]``, ``DEFAULT_COUNT`` and ``NOTES``; with ``print_results(report, console)``
it prints its rows in its own way. A hyphen in a case's name is an underscore in its module's.
"""

NAMES = ("gpu", "lanes", "pdf", "pdf-memory", "pdf-start", "pipeline", "publish", "reel", "stages")
