"""Templates: forms as data, read, checked and compiled to backgrounds."""
