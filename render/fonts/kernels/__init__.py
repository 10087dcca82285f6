"""Inner loops of font subsets, written for a compiler."""
