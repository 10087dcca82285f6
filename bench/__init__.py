"""The benchmark suite: made-up invoices, measurements beside peers in the same run, and the demo."""
