"""A lock and a project become plans: which files, and where."""
