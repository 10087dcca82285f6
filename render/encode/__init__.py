"""Image encoders: page pixels to files."""
