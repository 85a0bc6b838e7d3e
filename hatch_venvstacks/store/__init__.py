"""The cache on this machine."""
