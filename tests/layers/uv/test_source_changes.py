from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from wheels import make_wheel

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.locking.generated_project import ResolutionSetting
from hatch_venvstacks.locking.resolve import resolve
from hatch_venvstacks.locking.source_changes import check_pythons, refused_versions, sibling_changes
from hatch_venvstacks.model.lock import Lock, LockedProject, select_wheels
from hatch_venvstacks.model.lock_file import dump_lock, read_lock, write_lock
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeOrigin
from hatch_venvstacks.model.spec import LayerKind, LayerSpec, UvSettings
from hatch_venvstacks.sources.held_below import HeldProject, held_below, held_versions
from hatch_venvstacks.sources.layer_siblings import LockedSibling, locked_siblings
from hatch_venvstacks.sources.siblings import Sibling

if TYPE_CHECKING:
    from collections.abc import Sequence

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
LINUX, MACOS, WINDOWS = "linux_x86_64", "macosx_arm64", "win_amd64"
ON_LINUX = "sys_platform == 'linux'"


@dataclass
class World:
    """A flat index, a folder ``lib`` that could hold a project, and layers."""

    root: Path
    index: Path
    runs: int = 0

    @property
    def lib(self) -> Sibling:
        return Sibling("vl-lib", self.root / "libs/lib", "1.0+local.1")

    def spec(self, name: str, *requirements: str) -> LayerSpec:
        root = self.root / name
        return LayerSpec(
            root=root,
            project_name=name,
            name=name,
            kind=LayerKind.FRAMEWORK,
            requirements=requirements,
            lock_file=root / "locks/pylock.venvlayer.toml",
        )

    def lock(
        self,
        name: str,
        *requirements: str,
        siblings: Sequence[Sibling],
        below: Sequence[tuple[LayerSpec, Lock]] = (),
        platforms: Sequence[str] = (LINUX, MACOS, WINDOWS),
        **more: Any,
    ) -> Lock:
        self.runs += 1
        setting = ResolutionSetting(
            LockedRuntime(RuntimeOrigin.HOST, MINOR),
            tuple(PLATFORMS[platform] for platform in platforms),
            Path(sys.executable),
            self.root / f"work {self.runs}",
        )
        spec = self.spec(name, *requirements)
        return resolve(spec, below, setting, siblings=siblings, **more)

    def held(self, layer: str, **more: Any) -> HeldProject:
        lib = self.lib
        return HeldProject(
            "vl-lib", lib.version, layer, lib.metadata, lib.root, sibling=True, **more
        )


@pytest.fixture
def world(tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    wheel_index.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel_index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return World(tmp_path, wheel_index)


def test_what_a_lock_says(world: World) -> None:
    make_wheel(world.index, "vl-lib", "9.0")
    make_wheel(world.index, "vl-dep", "1.0", requires=["vl-lib"])
    lib = replace(world.lib, requires=("vl-sub",), requires_python=">=3.10")
    make_wheel(world.index, "vl-sub", "1.0")
    lock = world.lock("top", "vl-dep", siblings=[lib])
    assert lock.versions(MACOS) == {"vl-dep": "1.0", "vl-lib": "1.0+local.1", "vl-sub": "1.0"}
    (package,) = (one for one in lock.pylock.packages if one.name == "vl-lib")
    assert package.version is None
    assert package.marker is None
    assert package.directory is not None
    assert package.directory.path == "../../libs/lib"
    assert lock.inputs.projects == {"vl-lib": LockedProject("1.0+local.1", lib.digest)}
    assert locked_siblings(lock, WINDOWS) == [LockedSibling("vl-lib", lib.root, "1.0+local.1")]
    names = [one.name for one in select_wheels(lock, PLATFORMS[LINUX], MINOR)]
    assert names == ["vl-dep", "vl-sub"]
    write_lock(lock)
    assert dump_lock(read_lock(lock.path)) == dump_lock(lock)
    assert str(world.root) not in dump_lock(lock)
    lock.path.write_text(dump_lock(lock).replace("projects.vl-lib", "projects.vl-x"), "utf-8")
    with pytest.raises(LockError, match="does not say what the folder of `vl-lib` held"):
        read_lock(lock.path)


def test_a_source_for_one_platform(world: World) -> None:
    make_wheel(world.index, "vl-lib", "9.0")
    lib = replace(world.lib, marker=ON_LINUX)
    lock = world.lock("top", "vl-lib", siblings=[lib])
    assert lock.versions(LINUX) == {"vl-lib": "1.0+local.1"}
    assert lock.versions(WINDOWS) == {"vl-lib": "9.0"}
    assert [bool(locked_siblings(lock, name)) for name in (LINUX, MACOS, WINDOWS)] == [1, 0, 0]
    assert sibling_changes(lock, [lib], MINOR) == []
    assert sibling_changes(lock, [world.lib], MINOR) == [
        "`vl-lib` is now the project in ../../libs/lib"
    ]
    everywhere = replace(lib, marker="sys_platform != 'linux'")
    assert "`vl-lib` is no longer the project in ../../libs/lib" in sibling_changes(
        lock, [everywhere], MINOR
    )

    # Above it, each platform has what the layer below holds there.
    below = [(world.spec("base"), lock)]
    held = {
        name: held_versions(held_below(below, name, [world.held("base")]))["vl-lib"]
        for name in (LINUX, WINDOWS)
    }
    assert held == {LINUX: f"1.0+local.1 requires {world.held('base').requires}", WINDOWS: "9.0"}
    make_wheel(world.index, "vl-dep", "1.0", requires=["vl-lib"])
    projects = [world.held("base")]
    upper = world.lock("up", "vl-dep", "vl-lib", siblings=[lib], below=below, projects=projects)
    assert [upper.versions(name) for name in (LINUX, WINDOWS)] == [{"vl-dep": "1.0"}] * 2
    with pytest.raises(LockError, match=r"takes `vl-lib` from `\.\./libs/lib`, but layer `base`"):
        world.lock("up", "vl-lib", siblings=[world.lib], below=below, projects=projects)


def test_a_layer_that_holds_it_on_one_platform_only(world: World) -> None:
    base = world.lock("base", f"vl-lib ; {ON_LINUX}", siblings=[world.lib])
    below = [(world.spec("base"), base)]
    # The second is another layer's own project, the third lies in a layer that is not there.
    own = HeldProject("vl-own", "1.0", "base", replace(world.lib, name="vl-own").metadata)
    projects = [world.held("base"), own, world.held("elsewhere")]
    lock = world.lock("up", "vl-lib", siblings=[world.lib], below=below, projects=projects)
    assert [bool(locked_siblings(lock, name)) for name in (LINUX, MACOS, WINDOWS)] == [0, 1, 1]
    (package,) = lock.pylock.packages
    assert package.marker is not None


def test_a_version_that_is_computed(world: World) -> None:
    lib = replace(world.lib, static=False)
    lock = world.lock("top", "vl-lib", siblings=[lib])
    assert locked_siblings(lock, LINUX) == [LockedSibling("vl-lib", lib.root, "")]
    newer = replace(lib, version="2.0")
    assert sibling_changes(lock, [newer], MINOR) == []
    held = held_below([(world.spec("base"), lock)], LINUX, [world.held("base", static=False)])
    assert held["vl-lib"].version == "1.0+local.1"
    assert held_versions(held)["vl-lib"].startswith("dynamic requires ")


def test_a_computed_version_that_is_not_allowed(world: World) -> None:
    lib = replace(world.lib, static=False)
    needs = "vl-lib>=1 ; sys_platform == 'linux'"
    dep = Sibling("vl-dep", world.root / "libs/dep", "1.0", (needs, "vl-lib>=9 ; extra == 'x'"))
    lock = world.lock("top", "vl-dep", "vl-lib<3", siblings=[lib, dep])
    top = world.spec("top", "vl-dep", "vl-lib<3")
    place = "the version of `vl-lib` (../../libs/lib) is now"
    by_dep = f'{place} 0.9, which `vl-lib>=1; sys_platform == "linux"` of `vl-dep` does not allow'
    for version, said in (
        ("2.0.dev1+local", []),
        ("0.9", [by_dep]),
        ("3.0", [f"{place} 3.0, which `vl-lib<3` of `top` does not allow"]),
    ):
        now = [replace(lib, version=version), dep]
        assert refused_versions(lock, top, now, [], MINOR) == said
        # A resolution would not look at these.
        uv = UvSettings(options={"override-dependencies": ["VL_lib"]})
        assert refused_versions(lock, replace(top, uv=uv), now, [], MINOR) == []
    described = UvSettings(options={"dependency-metadata": [{"name": "vl-dep"}]})
    now = [replace(lib, version="0.9"), dep]
    assert refused_versions(lock, replace(top, uv=described), now, [], MINOR) == []


def test_a_computed_version_below_that_is_not_allowed(world: World) -> None:
    base = world.lock("base", "vl-lib", siblings=[replace(world.lib, static=False)])
    below = [(world.spec("base"), base)]
    held = world.held("base", static=False)
    lock = world.lock("up", "vl-lib>=1", siblings=[], below=below, projects=[held])
    up = world.spec("up", "vl-lib>=1")
    assert refused_versions(lock, up, [], [held], MINOR) == []
    (line,) = refused_versions(lock, up, [], [replace(held, version="0.1")], MINOR)
    assert line.endswith("is now 0.1, which `vl-lib>=1` of `up` does not allow")


def test_what_changes(world: World) -> None:
    lock = world.lock("top", "vl-lib", siblings=[world.lib])
    place = "../../libs/lib"
    elsewhere = world.root / "elsewhere"
    for now, said in (
        ([world.lib, Sibling("vl-other", world.root, "1")], []),
        ([], [f"`vl-lib` is no longer the project in {place}"]),
        (
            [replace(world.lib, version="2.0")],
            [f"the version of `vl-lib` ({place}) is now 2.0, it was 1.0+local.1"],
        ),
        ([replace(world.lib, static=False)], [f"the version of `vl-lib` ({place}) is now dynamic"]),
        (
            [replace(world.lib, extras=("x",), root=elsewhere)],
            [
                f"`vl-lib` is now the project in ../../elsewhere, was that in {place}",
                "the requirements of `vl-lib` (../../elsewhere) have changed",
            ],
        ),
    ):
        assert sibling_changes(lock, now, MINOR) == said


def test_pythons(world: World) -> None:
    lib = replace(world.lib, requires_python=">=3.99")
    lock = world.lock("top", "vl-lib", siblings=[lib])
    with pytest.raises(LockError, match=r"`requires-python` of `vl-lib` is `>=3.99`"):
        check_pythons(lock, [lib], MINOR)
    check_pythons(lock, [replace(lib, name="vl-not-required")], MINOR)
    check_pythons(lock, [world.lib], MINOR)


def test_conflicts_name_the_layer(world: World) -> None:
    base = world.lock("base", "vl-lib", siblings=[world.lib])
    below = [(world.spec("base"), base)]
    make_wheel(world.index, "vl-lib", "2.0")
    make_wheel(world.index, "vl-dep", "1.0", requires=["vl-lib>=2"])
    for requirement in ("vl-lib>=2", "vl-dep"):
        with pytest.raises(LockError, match="layer `base` holds"):
            world.lock("up", requirement, siblings=[], below=below, projects=[world.held("base")])
