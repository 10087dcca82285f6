"""Layout: an invoice and a template become a display list."""
