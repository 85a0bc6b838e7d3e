"""What code in an environment can learn of it: a program for the interpreter under test.

``python stack_questions.py QUESTIONS`` reads a JSON document with ``modules``, ``packages``,
``namespaces`` and ``distributions``, and prints one with the answers. It is the same program in a
layer and in a plain environment, and no answer has a path of either of them.
"""

# ruff: noqa: T201, BLE001 (a program: what it cannot do is an answer)
from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import json
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Taken before this program imports anything of what it asks for.
STARTED = [*getattr(sys, "vl_ran", ())]
LOADED = sorted(name for name in sys.modules if name.startswith(("vl", "sitecustomize")))
# Notes of an installer on one installation, and what the interpreter writes.
NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")


def main() -> None:
    questions = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    modules, namespaces = questions["modules"], questions["namespaces"]
    names = questions["distributions"]
    answers = {
        "started": sorted(STARTED),
        "loaded at the start": LOADED,
        "found": {name: attempt(found, name) for name in modules if "." not in name},
        "imports": {name: attempt(imported, name) for name in modules},
        "parts": {name: attempt(parts, name) for name in namespaces},
        "top": sorted(one.name for one in pkgutil.iter_modules() if one.name.startswith("vl")),
        "walked": sorted(walked()),
        "resources": {name: attempt(resources, name) for name in questions["packages"]},
        "spread": {name: attempt(spread, name) for name in questions["bare"]},
        "versions": {name: attempt(importlib.metadata.version, name) for name in names},
        "requires": {name: attempt(importlib.metadata.requires, name) for name in names},
        "metadata": {name: attempt(metadata, name) for name in names},
        "files": {name: attempt(files, name) for name in names},
        "entry points": entry_points(),
        "loaded entry points": loaded_entry_points(),
        "owners": owners(),
        "distributions": sorted({one.metadata["Name"] for one in own_distributions()}),
        "environment": [sys.prefix != sys.base_prefix, sys.flags.no_user_site],
    }
    # What is not compared, as it may differ.
    aside = {
        "started": STARTED,
        "wrong files": {name: attempt(wrong_files, name) for name in names},
        "how often": sorted(one.metadata["Name"] for one in own_distributions()),
    }
    print(json.dumps({"answers": answers, "aside": aside}))


def attempt(question: Callable[[str], Any], name: str) -> Any:
    """The answer, or the kind of error that there was."""
    try:
        return question(name)
    except Exception as error:
        return type(error).__name__


def found(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def imported(name: str) -> Any:
    """The value that marks a module, and the end of its path; a namespace has neither."""
    module = importlib.import_module(name)
    mark = getattr(module, "MARK", None)
    return mark and [mark, (module.__file__ or "").rpartition("/site-packages/")[2]]


def parts(name: str) -> list[str]:
    """What is in a namespace, by looking for it."""
    return sorted({one.name for one in pkgutil.iter_modules(path_of(name))})


def walked() -> set[str]:
    """All modules that can be found by walking through packages."""
    return {
        one.name
        for name in sorted({one.name for one in pkgutil.iter_modules()})
        if name.startswith("vl") and (path := path_of(name))
        for one in pkgutil.walk_packages(path, f"{name}.", lambda _: None)
    }


def path_of(name: str) -> Sequence[str]:
    with contextlib.suppress(ImportError):
        return list(getattr(importlib.import_module(name), "__path__", ()))
    return ()


def resources(name: str) -> list[str]:
    text = importlib.resources.files(name).joinpath("data.txt").read_text("utf-8")
    data = pkgutil.get_data(name, "data.txt")
    return [text, data.decode() if data else ""]


def spread(name: str) -> list[str]:
    """What lies in the folders of a namespace without ``__init__.py``."""
    there = (one.name for one in importlib.resources.files(name).iterdir())
    return sorted({one for one in there if one != "__pycache__"})


def metadata(name: str) -> Any:
    one = importlib.metadata.distribution(name)
    texts = {file: one.read_text(file) for file in ("METADATA", "WHEEL", "top_level.txt")}
    return [{key: one.metadata.get_all(key) for key in {*one.metadata}}, texts]


def files(name: str) -> dict[str, str]:
    """The files of a distribution with their digests, but for what differs by nature.

    Launchers and scripts name the interpreter in their own way. Of an ``__init__.py`` with several
    owners, one has the bytes that are there, and which one is chance; a namespace's is changed to
    find the parts in other layers.
    """
    shared = json.loads(Path(sys.argv[1]).read_text("utf-8"))["shared"]
    answer = {}
    for file in importlib.metadata.files(name) or ():
        path = str(file)
        if file.name in NOTES and file.parent.name.endswith(".dist-info"):
            continue
        if "__pycache__" in file.parts:
            continue
        free = path in shared or path.startswith("../../../bin/")
        answer[path] = "" if free or not file.hash else file.hash.value
    return answer


def wrong_files(name: str) -> list[str]:
    """What is not on disk as RECORD says."""
    wrong = []
    for file in importlib.metadata.files(name) or ():
        path = Path(str(file.locate()))
        if not path.is_file():
            wrong.append(f"{file} is missing")
        elif file.hash:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if encoded != file.hash.value or path.stat().st_size != file.size:
                wrong.append(f"{file} is another one")
    return wrong


def own_distributions() -> list[importlib.metadata.Distribution]:
    return [
        one
        for one in importlib.metadata.distributions()
        if re.match("vl", one.metadata["Name"], re.IGNORECASE)
    ]


def entry_points() -> list[list[str]]:
    return sorted(
        [one.group, one.name, one.value, one.dist.metadata["Name"], one.dist.version]
        for group in importlib.metadata.entry_points().groups
        for one in importlib.metadata.entry_points(group=group)
        if one.dist is not None
    )


def loaded_entry_points() -> list[list[str]]:
    return sorted(
        [one.name, one.value, str(attempt(lambda _, one=one: one.load(), ""))]  # type: ignore[misc]
        for one in importlib.metadata.entry_points(group="vl.plugins")
    )


def owners() -> dict[str, list[str]]:
    found = {**importlib.metadata.packages_distributions()}
    # From 3.12 on, it takes this folder for a package where a RECORD lists compiled modules: those
    # of layers do, as pip's do, and uv's do not.
    found.pop("__pycache__", None)
    return {name: sorted({*found[name]}) for name in sorted(found)}


if __name__ == "__main__":
    main()
