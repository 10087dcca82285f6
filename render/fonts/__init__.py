"""Fonts as tables: characters to glyphs, glyphs to advances and outlines, and the subsets that documents embed."""
