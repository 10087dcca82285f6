"""The pool: a Celery application that renders invoices for many, late-acknowledged and written once."""
