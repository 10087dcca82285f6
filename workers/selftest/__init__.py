"""The self-test of the GPU path: every kernel and encoder tried on the device of this machine, with a report."""
