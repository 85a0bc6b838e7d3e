from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.version import Version
from wheels import make_wheel

from hatch_venvstacks.model.lock import Lock, LockInputs
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.pipeline.lock_report import differences, size_table, sizes
from hatch_venvstacks.sources.held_below import Held

if TYPE_CHECKING:
    from collections.abc import Mapping

LINUX, MAC = "linux_x86_64", "macosx_arm64"
ON_LINUX = Marker("sys_platform == 'linux'")


def package(text: str, marker: Marker | None = None, **wheel: object) -> Package:
    name, version = text.split()
    stem = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    place = {"url": f"https://x.org/{stem}", **wheel}
    wheels = [PackageWheel(name=None, hashes={"sha256": "0" * 64}, **place)]  # type: ignore[arg-type]
    return Package(name=name, version=Version(version), marker=marker, wheels=wheels)  # type: ignore[arg-type]


def lock(*packages: Package, platforms: tuple[str, ...] = (LINUX, MAC)) -> Lock:
    pylock = Pylock(lock_version=Version("1.0"), created_by="x", packages=list(packages))
    return Lock(Path("/p/pylock.toml"), pylock, LockInputs(platforms, ()))


def said(
    before: Lock, now: Lock, held: Mapping[str, Mapping[str, Held]] | None = None
) -> list[str]:
    return list(differences(before, now, held or {}))


def test_nothing_has_changed() -> None:
    assert said(lock(package("a 1")), lock(package("a 1"))) == []


def test_changes_of_all_kinds() -> None:
    before = lock(package("gone 1"), package("moved 1"), package("same 2"), package("up 1"))
    now = lock(package("new 3"), package("same 2"), package("up 2"))
    held = {"moved": Held("moved", "1", "base")}
    assert said(before, now, {LINUX: held, MAC: held}) == [
        "removed: gone 1",
        "now provided by layer `base`: moved 1",
        "added: new 3",
        "updated: up 1 -> 2",
    ]


def test_another_version_that_is_provided_now() -> None:
    held = {key: {"a": Held("a", "2", "base")} for key in (LINUX, MAC)}
    assert said(lock(package("a 1")), lock(), held) == [
        "now provided by layer `base`: a 2, was 1 here"
    ]


def test_changes_on_one_platform() -> None:
    before = lock(package("a 1"))
    now = lock(package("a 2", ON_LINUX), package("a 1", Marker("sys_platform == 'darwin'")))
    assert said(before, now) == [f"updated: a 1 -> 2 ({LINUX})"]


def test_platforms_of_only_one_of_the_locks_do_not_count() -> None:
    before = lock(package("a 1"), platforms=(LINUX,))
    assert said(before, lock(package("a 1"))) == []
    assert said(before, lock(package("a 2"), platforms=(MAC,))) == []


def test_sizes(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "local", "1.0")
    value = lock(
        package("small 1", size=10),
        package("large 1", size=2000),
        package("unknown 1"),
        package("local 1.0", url=None, path=str(wheel)),
        package("elsewhere 1", Marker("sys_platform == 'darwin'"), size=7),
    )
    found = sizes(value, PLATFORMS[LINUX], "3.11")
    length = wheel.stat().st_size
    expected = [("large 1", 2000), ("local 1.0", length), ("small 1", 10), ("unknown 1", None)]
    assert found == sorted(expected, key=lambda one: -(one[1] or 0))


def test_table() -> None:
    assert size_table([("numpy 2.1.0", 16_812_345), ("six 1", 500), ("x 1", None)]) == [
        "numpy 2.1.0    16.8 MB",
        "six 1            500 B",
        "x 1",
    ]
    assert size_table([]) == []
