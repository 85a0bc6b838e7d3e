"""Where parts come from: indexes, siblings, wheels and uv."""
