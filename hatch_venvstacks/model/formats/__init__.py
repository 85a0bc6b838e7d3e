"""Formats of files that several rooms know: archives, ELF, TOML."""
