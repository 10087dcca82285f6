"""The display list: one page description as arrays, which layout writes and every exporter reads."""
