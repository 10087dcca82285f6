"""What is measured, one module a level: stages (ms an invoice), pipeline (invoices a second)."""
