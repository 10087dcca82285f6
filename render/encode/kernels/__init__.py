"""Inner loops of encoders, in Python that Numba compiles."""
