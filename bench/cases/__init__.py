"""What is measured, one module a level: stages (ms an invoice), pipeline (invoices a second).

A case module has ``run(count) -> list[Row]``, ``DEFAULT_COUNT`` and ``NOTES``.
"""

NAMES = ("pipeline", "stages")
