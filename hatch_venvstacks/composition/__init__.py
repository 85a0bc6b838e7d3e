"""A layer and those below as one environment: imports, files, libraries and wiring."""
