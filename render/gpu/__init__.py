"""What a device and its host agree on: the kernels, their arguments, and how they are launched."""
