"""Hatch plugin that builds Python applications as layers: runtime, frameworks, applications."""
