from __future__ import annotations

import pytest

from hatch_venvstacks.composition.namespaces import EXTENDING, InitKind, extending, init_kind

LEGACY = """\
try:
    __import__("pkg_resources").declare_namespace(__name__)
except ImportError:
    from pkgutil import extend_path
    __path__ = extend_path(__path__, __name__)
"""


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ('"""What it is for."""\n', "empty"),
        ("# a comment\npass\n", "empty"),
        (EXTENDING.decode(), "pkgutil"),
        ("import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n", "pkgutil"),
        ("__import__('pkg_resources').declare_namespace(__name__)\n", "pkg_resources"),
        (LEGACY, "pkg_resources"),
        (
            "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\nX = 1\n",
            "open",
        ),
        ("__version__ = '1'\n", "regular"),
        ("from . import a\n", "regular"),
        ("this is no Python", "regular"),
        ("\0", "regular"),
    ],
)
def test_kinds(content: str, kind: str) -> None:
    assert str(init_kind(content.encode())) == kind
    assert InitKind(kind).is_namespace == (kind not in ("open", "regular"))


@pytest.mark.parametrize("content", ["", '"""Doc."""', LEGACY])
def test_extending_keeps_what_is_there(content: str) -> None:
    extended = extending(content.encode())
    assert extended.startswith(content.encode())
    assert extended.endswith(EXTENDING)
    compile(extended, "__init__.py", "exec")
