"""Inner loops of the display list, written for a compiler."""
