"""Packages that are spread over several folders of ``sys.path``.

See https://packaging.python.org/en/latest/guides/packaging-namespace-packages/.
"""

from __future__ import annotations

import ast
from enum import Enum

# What makes a package of all folders of its name on `sys.path`: the line of the guide above.
EXTENDING = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


class InitKind(str, Enum):
    """What an ``__init__.py`` is: a package's own code, or one way of making a namespace.

    One that is ``EMPTY`` has no code at all; in a single site directory it makes a namespace, too.
    One that is ``OPEN`` has code of its own, and also finds the package's parts in other folders.
    """

    REGULAR = "regular"
    OPEN = "open"
    EMPTY = "empty"
    PKGUTIL = "pkgutil"
    PKG_RESOURCES = "pkg_resources"

    @property
    def is_namespace(self) -> bool:
        """Whether nothing is lost where another one of these counts."""
        return self not in (InitKind.REGULAR, InitKind.OPEN)

    @property
    def reach(self) -> int:
        """How much a namespace finds of its parts in other folders, compared with the others."""
        return (InitKind.EMPTY, InitKind.PKG_RESOURCES, InitKind.PKGUTIL).index(self)

    def __str__(self) -> str:
        return self.value


def init_kind(content: bytes) -> InitKind:
    """What the ``__init__.py`` with that ``content`` is."""
    if not content.strip():
        return InitKind.EMPTY
    try:
        body = ast.parse(content).body
    except (SyntaxError, ValueError):
        return InitKind.REGULAR
    if not all(map(_opens_namespace, body)):
        return InitKind.OPEN if any(map(_extends_path, body)) else InitKind.REGULAR
    if b"declare_namespace" in content:
        return InitKind.PKG_RESOURCES
    return InitKind.PKGUTIL if b"extend_path" in content else InitKind.EMPTY


def extending(content: bytes) -> bytes:
    """``content``, an ``__init__.py`` that is a namespace's, so that it finds all other parts.

    ``pkg_resources`` finds only those that have an ``__init__.py`` of their own.
    """
    return content + (b"\n" if content and not content.endswith(b"\n") else b"") + EXTENDING


def _extends_path(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and "extend_path(" in ast.unparse(statement)


def _opens_namespace(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Try):
        handlers = [handled for handler in statement.handlers for handled in handler.body]
        return all(map(_opens_namespace, [*statement.body, *handlers, *statement.orelse]))
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "pkgutil"
    if isinstance(statement, ast.Import):
        return all(name.name in ("pkgutil", "pkg_resources") for name in statement.names)
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets] == ["__path__"]
    if isinstance(statement, ast.Expr):
        text = ast.unparse(statement.value)
        return isinstance(statement.value, ast.Constant) or "declare_namespace(" in text
    return isinstance(statement, ast.Pass)
