"""Bytes by key: written once, never overwritten, on a local disk, in memory or in an object store."""
