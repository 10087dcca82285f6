"""Rasteriser: display lists to page pixels (palette indices), on the CPU."""
