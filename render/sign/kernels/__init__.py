"""Inner loops of cryptography, in Python that Numba compiles."""
