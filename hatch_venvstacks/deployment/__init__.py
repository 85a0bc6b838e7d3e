"""Layers on the machine where they run; imports :mod:`hatch_venvstacks.common` only."""
