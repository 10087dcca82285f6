"""Inner loops of layout, written for a compiler."""
