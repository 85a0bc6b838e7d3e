from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from locks import SHA, lock, package, wheel
from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.model.lock import requires_python, select_wheels
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import (
    LockedRuntime,
    RuntimeOrigin,
)

LINUX, MAC = "linux_x86_64", "macosx_arm64"
STANDALONE, HOST = RuntimeOrigin.STANDALONE, RuntimeOrigin.HOST


def test_versions() -> None:
    value = lock(package(), package(name="other", marker=Marker("sys_platform == 'win32'")))
    assert value.versions(LINUX) == {"thing": "1.0"}
    assert value.versions(MAC) == {}
    both = replace(value, inputs=replace(value.inputs, platforms=(LINUX, "win_amd64")))
    assert both.versions("win_amd64") == {"thing": "1.0", "other": "1.0"}


def test_requires_python() -> None:
    assert requires_python(LockedRuntime(HOST, "3.9")) == SpecifierSet(">=3.9,<3.10")
    assert requires_python(LockedRuntime(STANDALONE, "3.11.13")) == SpecifierSet(">=3.11.13,<3.12")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["py3-none-any"], "py3-none-any"),
        (["py3-none-any", "cp311-cp311-linux_x86_64"], "cp311-cp311-linux_x86_64"),
        (
            ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_28_x86_64"],
            "cp311-cp311-manylinux_2_28_x86_64",
        ),
        (
            ["cp311-cp311-musllinux_1_2_x86_64", "cp38-abi3-manylinux_2_17_x86_64"],
            "cp38-abi3-manylinux_2_17_x86_64",
        ),
        (
            ["cp312-cp312-manylinux_2_17_x86_64", "py2.py3-none-any", "cp311-cp311-win_amd64"],
            "py2.py3-none-any",
        ),
        (["cp311-abi3-manylinux_2_17_x86_64", "cp39-abi3-linux_x86_64"],
         "cp311-abi3-manylinux_2_17_x86_64"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("backwards", [False, True])
def test_best_wheel(tags: list[str], expected: str, backwards: bool) -> None:
    wheels = [wheel(tag) for tag in (reversed(tags) if backwards else tags)]
    (found,) = select_wheels(lock(package(*wheels)), PLATFORMS[LINUX], "3.11.13")
    assert found.filename == f"thing-1.0-{expected}.whl"
    assert (found.name, found.version, found.sha256) == ("thing", "1.0", SHA)
    assert found.location == f"https://x.org/thing-1.0-{expected}.whl"


def test_wheels_are_sorted_and_filtered() -> None:
    any_wheel = "py3-none-any"
    value = lock(
        package(wheel(any_wheel, "z"), name="z"),
        package(wheel(any_wheel, "a"), name="a", marker=Marker("sys_platform == 'linux'")),
        package(wheel(any_wheel, "m"), name="m", marker=Marker("sys_platform == 'darwin'")),
    )
    assert [one.name for one in select_wheels(value, PLATFORMS[LINUX], "3.11")] == ["a", "z"]
    other = replace(value, inputs=replace(value.inputs, platforms=(LINUX, MAC)))
    assert [one.name for one in select_wheels(other, PLATFORMS[MAC], "3.11")] == ["m", "z"]
    with pytest.raises(LockError, match=f"not for {MAC}"):
        select_wheels(value, PLATFORMS[MAC], "3.11")
    assert select_wheels(lock(), PLATFORMS[LINUX], "3.11") == []


@pytest.mark.parametrize(
    "place", ["../wheels/thing-1.0-py3-none-any.whl", "./a b/thing-1.0-py3-none-any.whl"]
)
def test_local_wheel(tmp_path: Path, place: str) -> None:
    value = lock(package(wheel("", path=place)), path=tmp_path / "p/pylock.toml")
    (found,) = select_wheels(value, PLATFORMS[LINUX], "3.11")
    assert Path(found.location) == (tmp_path / "p" / place).resolve()
    assert found.filename == "thing-1.0-py3-none-any.whl"


@pytest.mark.parametrize("tag", ["cp312-cp312-win_amd64", "cp311-cp311-musllinux_1_2_x86_64"])
def test_no_wheel_fits(tag: str) -> None:
    with pytest.raises(LockError) as caught:
        select_wheels(lock(package(wheel(tag))), PLATFORMS[LINUX], "3.11")
    assert "/p/pylock.toml" in caught.value.message
    assert LINUX in caught.value.message
    assert "thing" in caught.value.message
    assert "lock the layer" in caught.value.hint


def test_only_a_source_distribution() -> None:
    sdist = PackageSdist(name="thing-1.0.tar.gz", url="https://x.org/t", hashes={"sha256": SHA})
    value = lock(Package(name="thing", version=Version("1.0"), sdist=sdist))  # type: ignore[arg-type]
    with pytest.raises(LockError, match=r"`thing`.*/p/pylock\.toml"):
        select_wheels(value, PLATFORMS[LINUX], "3.11")


def test_environments_that_do_not_fit() -> None:
    value = lock(package(wheel("py3-none-any")))
    value = replace(
        value, pylock=replace(value.pylock, environments=[Marker("sys_platform == 'darwin'")])
    )
    with pytest.raises(LockError, match=LINUX):
        select_wheels(value, PLATFORMS[LINUX], "3.11")
