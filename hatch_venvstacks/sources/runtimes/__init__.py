"""Where a CPython comes from."""
