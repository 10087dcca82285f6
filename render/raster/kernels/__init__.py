"""Inner loops of the rasteriser, each as a scalar source for a compiler and as a NumPy twin with the same bytes."""
