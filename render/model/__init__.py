"""The invoice: its values, its two document forms, and every rule that it must keep."""
