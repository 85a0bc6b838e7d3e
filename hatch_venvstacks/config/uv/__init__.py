"""The tables that uv knows, of a project, its workspace and ``uv.toml``."""
