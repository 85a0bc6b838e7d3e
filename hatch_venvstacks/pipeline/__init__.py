"""The conductor: lock, build and export a layer, and whether there is anything to do."""
