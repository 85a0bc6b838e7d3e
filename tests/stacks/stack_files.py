"""The files of a made-up distribution: modules, what opens a namespace, path files.

The lines of path files note in the list ``sys.vl_ran`` that they ran. What they look at is what
programs in such lines have been seen to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable

# Ways to make a namespace, as a distribution's `__init__.py`; `None`: it has none.
INITS = {
    "bare": None,
    "path file": None,
    "empty": "",
    "docstring": '"""Parts of many distributions."""\n',
    "pkgutil": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
    "pkg_resources": (
        "try:\n"
        "    __import__('pkg_resources').declare_namespace(__name__)\n"
        "except ImportError:\n"
        "    __path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    ),
}
# What the parts of one namespace are made of.
PALETTES = (
    ("bare",),
    ("pkgutil",),
    ("pkg_resources",),
    ("empty", "docstring"),
    ("path file",),
    ("path file", "bare"),
    ("pkgutil", "bare"),
    ("empty", "bare"),
    ("pkgutil", "pkg_resources", "empty", "docstring", "bare"),
)
# What setuptools has written for namespaces until 2025, into `…-nspkg.pth`.
_NAMESPACE_LINE = (
    "import sys, types, os;"
    "p = os.path.join(sys._getframe(1).f_locals['sitedir'], *{parts!r});"
    "importlib = __import__('importlib.util');__import__('importlib.machinery');"
    "m = sys.modules.setdefault({name!r}, importlib.util.module_from_spec("
    "importlib.machinery.PathFinder.find_spec({name!r}, [os.path.dirname(p)])));"
    "m = m or sys.modules.setdefault({name!r}, types.ModuleType({name!r}));"
    "mp = (m or []) and m.__dict__.setdefault('__path__',[]);"
    "(p not in mp) and mp.append(p)"
)
NOTE = "sys.__dict__.setdefault('vl_ran', []).append"


@dataclass(frozen=True)
class Files:
    """What a distribution gets one after the other; ``top`` is its package."""

    name: str
    version: str
    top: str
    files: dict[str, str] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        return f"{canonicalize_name(self.name).replace('-', '_')}-{self.version}"

    def module(self, name: str, *, package: bool = False, code: str = "", folder: str = "") -> None:
        path = f"{name.replace('.', '/')}{'/__init__' if package else ''}.py"
        self.files[f"{folder}{path}"] = f"MARK = {f'{self.name} {self.version} {name}'!r}\n{code}"
        self.modules.append(name)


def namespace_line(name: str) -> str:
    """The line of a path file that makes the namespace ``name``."""
    parent, _, child = name.rpartition(".")
    line = _NAMESPACE_LINE.format(name=name, parts=tuple(name.split(".")))
    return (
        line + (f";m and setattr(sys.modules[{parent!r}], {child!r}, m)" if parent else "") + "\n"
    )


def _plain_line(_: Files, name: str, label: str) -> list[str]:
    return [f"import sys; {NOTE}({label!r})"]


def _tab_line(_: Files, name: str, label: str) -> list[str]:
    return ["# what follows has a tab", "", f"import\tsys; {NOTE}({label!r})  "]


def _folder_line(own: Files, name: str, label: str) -> list[str]:
    """Folders that come on ``sys.path``; one is there twice, one is not there."""
    folder = f"{own.top}_möre"
    own.module(f"{own.top}_added", folder=f"{folder}/")
    own.module(f"{own.top}_added_too", folder=f"{folder}/inner/")
    return [folder, f"{folder}/inner", f"./{folder}", f"{own.top}_not_there"]


def _site_folder_line(_: Files, name: str, label: str) -> list[str]:
    """Whether ``sitedir`` is the folder of the path file."""
    there = f"os.path.isfile(os.path.join(sitedir, {name!r}))"
    return [f"import os, sys; {NOTE}({label + ' '!r} + str({there}))"]


def _frame_line(_: Files, name: str, label: str) -> list[str]:
    """The same as setuptools and others ask for it; what is known there besides."""
    same = f"os.path.samefile(os.path.join(known['sitedir'], {name!r}), known['fullname'])"
    known = "known = sys._getframe(1).f_locals"
    return [f"import os, sys; {known}; {NOTE}({label + ' '!r} + str({same}))"]


def _module_line(own: Files, name: str, label: str) -> list[str]:
    """A module that runs at the start, and looks for itself and at all of ``sys.path``."""
    module = f"{own.top}_start"
    own.module(
        module,
        code=(
            "import os, sys\n"
            f"here = os.path.isfile(os.path.join(os.path.dirname(__file__), {name!r}))\n"
            "there = any(os.path.isfile(f'{one}/vl0/inner.py') for one in sys.path)\n"
            f"{NOTE}(f'{label} {{here}} {{there}}')\n"
        ),
    )
    return [f"import {module}"]


def _nested_line(own: Files, name: str, label: str) -> list[str]:
    """A folder with a path file of its own."""
    folder = f"{own.top}_side"
    own.module(f"{own.top}_beside", folder=f"{folder}/")
    own.files[f"{folder}/nested.pth"] = f"import sys; {NOTE}({f'{label} nested'!r})\n"
    return [f"import os, site; site.addsitedir(os.path.join(sitedir, {folder!r}))"]


# What a path file is made of: each gives lines, for a distribution and a note's label.
LINES: tuple[Callable[[Files, str, str], list[str]], ...] = (
    _plain_line,
    _tab_line,
    _folder_line,
    _site_folder_line,
    _frame_line,
    _module_line,
    _nested_line,
)
