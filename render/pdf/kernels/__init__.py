"""Inner loops of the PDF writer, written for a compiler."""
