from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from index_layers import (
    LINUX,
)
from packaging.pylock import Pylock

from hatch_venvstacks.locking.index_changes import index_inputs
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.lock import Lock, LockInputs
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.sources.held_indexes import with_held
from hatch_venvstacks.sources.indexes import ResolutionIndexes

if TYPE_CHECKING:
    from pathlib import Path


def test_held_below(tmp_path: Path) -> None:
    remote = Index("remote", "https://a.example/simple/")
    local = Index("local", (tmp_path / "wheels").as_uri(), flat=True)

    def lock(packages: list[dict[str, Any]]) -> Lock:
        document = {"lock-version": "1.0", "created-by": "x", "packages": packages}
        inputs = LockInputs(("linux_x86_64", "win_amd64"), ())
        return Lock(tmp_path / "fw/pylock.venvlayer.toml", Pylock.from_dict(document), inputs)

    def package(name: str, place: str, **more: str) -> dict[str, Any]:
        hashes = {"sha256": "0" * 64}
        file = f"{name}-1-py3-none-any.whl"
        key = "path" if place.startswith(".") else "url"
        wheels = [{"name": file, key: f"{place}/{file}", "hashes": hashes}]
        return {"name": name, "version": "1", "wheels": wheels, **more}

    upper = lock(
        [
            package("a", "https://files", index="https://a.example/simple"),
            package("b", "../wheels", marker=LINUX),
            package("c", "../other"),
        ]
    )
    lower = lock([package("a", "../wheels"), package("d", "https://x", index="https://pypi.org")])
    known = ResolutionIndexes(
        (Index("", "https://pypi.org"), remote, local), sources={"b": (("remote", ""),)}
    )
    targets = [PLATFORMS[name] for name in ("linux_x86_64", "win_amd64")]
    found = with_held(known, [upper, lower], targets)
    assert found == replace(known, held={"a": (("remote", ""),), "b": (("local", LINUX),)})
    assert found.steered == {"a": (("remote", ""),), "b": (("remote", ""),)}
    # On each platform it is the first lock that has it there.
    only = lock([package("d", "../wheels", marker=LINUX)])
    both = with_held(known, [only, lock([package("d", "https://x", index=remote.url)])], targets)
    windows = "sys_platform == 'win32'"
    assert both.held == {"d": (("local", LINUX), ("remote", windows))}
    # They are no part of what is recorded.
    assert index_inputs(found, {"a", "b"}, tmp_path).sources == {"b": ("remote",)}
