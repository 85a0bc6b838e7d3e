"""The values that the stages pass on: spec, stack, lock, platforms and layout."""
