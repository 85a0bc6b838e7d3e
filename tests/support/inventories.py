"""Layers of made-up distributions, as values that checks are given."""

from __future__ import annotations

from hatch_venvstacks.composition.inventory import Inventory, LayerContents

SITE = "lib/python3.11/site-packages"


def part(name: str, *files: str, **inits: str) -> Inventory:
    """A distribution; a file is a path, or a path and a digest (``"a.py=1"``).

    ``inits`` are kinds of packages, with ``__`` for ``/``.
    """
    found = {}
    for file in files:
        path, _, digest = file.partition("=")
        found[f"{SITE}/{path}" if not path.startswith("/") else path[1:]] = digest or name
    kinds = {f"{SITE}/{key.replace('__', '/')}/__init__.py": kind for key, kind in inits.items()}
    return Inventory(name, "1.0", found, kinds)


def layer(
    name: str, *parts: Inventory, below: tuple[str, ...] = (), extended: tuple[str, ...] = ()
) -> LayerContents:
    """A layer; ``below`` are names of those that it stands on."""
    return LayerContents(name, parts, frozenset(below), extended=frozenset(extended))
