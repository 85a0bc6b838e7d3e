"""Plans become segments, an archive and its metadata."""
