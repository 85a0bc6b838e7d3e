from __future__ import annotations

import shutil
import sys
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from said import Said
from wheels import make_wheel

from hatch_venvstacks.common.errors import LockError, RuntimeSourceError, StackError, StaleLockError
from hatch_venvstacks.config.environment_variables import LOCKED
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.model.runtime import RuntimeOrigin, RuntimeRequest
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.workshop import LockingOptions, Projects, Upgrade, Workshop
from hatch_venvstacks.pipeline.lock import ensure_lock, update_lock
from hatch_venvstacks.pipeline.session import Session
from hatch_venvstacks.plugin.terminal import HATCH
from hatch_venvstacks.sources.runtimes.host import check_host, describe
from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from hatch_venvstacks.model.stack import LockedLayer

HERE = host_platform().name
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass
class World:
    """Layers as values, a flat index of tiny wheels, and calls that know both."""

    root: Path
    index: Path
    workshop: Workshop
    said: Said
    specs: dict[Path, LayerSpec] = field(default_factory=dict)

    def session(self, **options: Any) -> Session:
        """A new call: projects are read once in each."""

        def read(root: Path) -> Any:
            return SimpleNamespace(spec=self.specs[root])

        wheels = SiblingWheels(self.workshop, MEMBER_TIME)
        return Session(
            self.workshop, Projects(read), wheels, LockingOptions(**options), MEMBER_TIME, HATCH
        )

    def layer(self, name: str, *requirements: str, bases: tuple[str, ...] = ()) -> LayerSpec:
        root = self.root / name
        spec = LayerSpec(
            root=root,
            project_name=name,
            name=name,
            kind=LayerKind.FRAMEWORK if bases else LayerKind.RUNTIME,
            base_layers=tuple(self.root / base for base in bases),
            runtime=None if bases else RuntimeRequest(RuntimeOrigin.HOST),
            requirements=requirements,
            lock_file=root / "pylock.venvlayer.toml",
        )
        self.specs[root] = spec
        return spec

    def wheel(self, name: str, version: str = "1.0", *requires: str) -> None:
        make_wheel(self.index, name, version, requires=requires)

    def lock(self, name: str, **changes: Any) -> dict[str, str]:
        self.said.lines.clear()
        path = update_lock(self.specs[self.root / name], self.session(**changes))
        assert path == self.specs[self.root / name].lock_file
        return read_lock(path).versions(host_platform().name)

    def ensure(self, name: str, platform: str = HERE, **changes: Any) -> LockedLayer:
        self.said.lines.clear()
        return ensure_lock(self.specs[self.root / name], platform, self.session(**changes))

    def stale(self, name: str) -> str:
        with pytest.raises(StaleLockError) as caught:
            self.ensure(name)
        return str(caught.value)

    def text(self, name: str) -> bytes:
        return self.specs[self.root / name].lock_file.read_bytes()


def make_world(root: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    try:
        check_host(describe())
    except RuntimeSourceError as error:
        pytest.skip(f"the Python that runs the tests is no runtime: {error}")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    said, specs = Said(), dict[Path, LayerSpec]()

    workshop = Workshop(Store(root / "cache"), said, host_platform())
    world = World(root, index, workshop, said, specs)
    world.layer("rt", "numbers-lib")
    world.layer("left", "learn", bases=("rt",))
    world.layer("right", "plot", bases=("rt",))
    world.layer("app", "learn", "plot", "extra", bases=("left", "right"))
    return world


@pytest.fixture
def world(tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, wheel_index, monkeypatch)
    for name in ("numbers-lib", "learn", "plot", "extra"):
        world.wheel(name)
    return world


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Layers that are all locked: locking takes a second, copying does not."""
    root = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = make_world(root, root / uuid.uuid4().hex, monkeypatch)
        for name in ("numbers-lib", "learn", "plot", "extra"):
            world.wheel(name)
        for name in ("rt", "left", "right", "app"):
            world.lock(name)
    return world


@pytest.fixture
def locked(ready: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "root"
    shutil.copytree(ready.root, root)
    return make_world(root, root / ready.index.name, monkeypatch)


def test_each_layer_adds_its_own(world: World) -> None:
    assert world.lock("rt") == {"numbers-lib": "1.0"}
    assert world.lock("left") == {"learn": "1.0"}
    assert world.lock("right") == {"plot": "1.0"}
    assert world.lock("app") == {"extra": "1.0"}
    assert world.said.lines[-1].startswith("  extra 1.0 ")
    layer = world.ensure("app")
    assert [one.name for one in layer.stack.layers] == ["app", "left", "right", "rt"]
    assert layer.runtime.minor == MINOR
    assert layer.spec.name == "app"
    assert layer.cpython.python.is_file()
    assert world.said.lines == []


def test_what_uv_warns_of_is_said(world: World) -> None:
    world.lock("rt")
    world.layer("left", "learn[typo]", bases=("rt",))
    world.lock("left")
    warning = "uv: warning: The package `learn==1.0` does not have an extra named `typo`"
    assert world.said.lines[1] == warning


def test_missing_lock_is_made_and_said(world: World) -> None:
    layer = world.ensure("rt")
    assert layer.lock.versions(host_platform().name) == {"numbers-lib": "1.0"}
    assert world.said.lines[0] == "`rt` has no lock yet"
    assert layer.lock.path.is_file()
    assert sorted(path.name for path in layer.lock.path.parent.iterdir()) == [layer.lock.path.name]


def test_missing_lock_below_is_an_error(world: World) -> None:
    for call in (world.lock, world.ensure):
        with pytest.raises(LockError, match="missing") as caught:
            call("app")
        assert "rt" in caught.value.message
        assert "lock the layer" in caught.value.hint
    world.lock("rt")
    with pytest.raises(LockError, match=r"(left|right)/pylock.venvlayer.toml"):
        world.ensure("app")
    assert not (world.root / "left").exists()


def test_nothing_is_written_when_nothing_changed(locked: World) -> None:
    before = {name: locked.text(name) for name in ("rt", "left", "app")}
    path = locked.specs[locked.root / "app"].lock_file
    time = path.stat().st_mtime_ns
    locked.wheel("extra", "2.0")
    for name, text in before.items():
        locked.lock(name)
        assert locked.said.lines == [f"The lock of `{name}` is up to date"]
        assert locked.text(name) == text
    assert path.stat().st_mtime_ns == time


def test_locked_never_writes(world: World) -> None:
    with pytest.raises(LockError) as caught:
        world.ensure("rt", locked=True)
    assert LOCKED in caught.value.message
    assert not (world.root / "rt").exists()
    world.lock("rt")
    before = world.text("rt")
    assert world.ensure("rt", locked=True).lock.versions(host_platform().name) == {
        "numbers-lib": "1.0"
    }
    world.layer("rt", "numbers-lib", "extra")
    with pytest.raises(StaleLockError):
        world.ensure("rt", locked=True)
    with pytest.raises(LockError) as caught:
        update_lock(world.specs[world.root / "rt"], world.session(locked=True))
    assert f"({LOCKED} forbids it here)" in caught.value.worded(HATCH)
    assert world.text("rt") == before


def test_changed_requirements_are_stale(locked: World) -> None:
    locked.layer("app", "learn", "extra>=1", bases=("left", "right"))
    said = locked.stale("app")
    assert "`app` is stale" in said
    for line in ("requirement added: extra>=1", "removed: plot", "removed: extra"):
        assert line in said
    assert "Lock it again: `lock the layer` in " in said
    assert locked.lock("app") == {"extra": "1.0"}
    assert "  - requirement added: extra>=1" in locked.said.lines
    locked.ensure("app")


def test_order_of_requirements_does_not_matter(locked: World) -> None:
    locked.layer("app", "extra", "plot", "learn", bases=("left", "right"))
    locked.ensure("app")


def test_stale_layer_below_refuses_the_upper(locked: World) -> None:
    locked.layer("rt", "numbers-lib", "extra")
    assert "`rt` is stale" in locked.stale("app")
    with pytest.raises(StaleLockError, match="`rt` is stale"):
        locked.lock("app")


def test_layer_below_that_starts_to_hold_a_name(locked: World) -> None:
    locked.layer("left", "learn", "extra", bases=("rt",))
    locked.lock("left")
    assert "a layer below now holds extra 1.0" in locked.stale("app")
    assert locked.lock("app") == {}


def test_layer_below_that_holds_a_name_no_more(locked: World) -> None:
    locked.layer("right", bases=("rt",))
    locked.lock("right")
    assert "no layer below holds plot any more, it was 1.0" in locked.stale("app")
    assert locked.lock("app") == {"extra": "1.0", "plot": "1.0"}


def test_change_below_that_does_not_matter(locked: World) -> None:
    locked.wheel("unrelated")
    locked.layer("right", "plot", "unrelated", bases=("rt",))
    locked.lock("right")
    locked.ensure("app")
    assert locked.lock("app") == {"extra": "1.0"}


def test_new_version_below(locked: World) -> None:
    locked.wheel("learn", "2.0")
    locked.layer("left", "learn>1", bases=("rt",))
    locked.lock("left")
    assert "the layer below now holds learn 2.0, it was 1.0" in locked.stale("app")
    assert locked.lock("app") == {"extra": "1.0"}


def test_other_python_below(locked: World) -> None:
    path = locked.specs[locked.root / "rt"].lock_file
    text = path.read_text("utf-8")
    other = "3.9" if MINOR != "3.9" else "3.10"
    path.write_text(text.replace(f'version = "{MINOR}"', f'version = "{other}"'), "utf-8")
    assert f"the runtime is CPython {other}" in locked.stale("left")


def test_runtime_options_that_changed(locked: World) -> None:
    spec = locked.specs[locked.root / "rt"]
    locked.specs[spec.root] = replace(spec, runtime=RuntimeRequest(RuntimeOrigin.HOST, "2.7"))
    assert f"`python` is now 2.7, was {MINOR}" in locked.stale("rt")
    locked.specs[spec.root] = replace(spec, runtime=RuntimeRequest(RuntimeOrigin.STANDALONE, MINOR))
    assert "`python-source` is now python-build-standalone, was host" in locked.stale("rt")


def test_lock_of_another_kind(locked: World) -> None:
    path = locked.specs[locked.root / "rt"].lock_file
    path.write_bytes(locked.text("left"))
    assert "`kind` has changed" in locked.stale("rt")
    assert locked.lock("rt") == {"numbers-lib": "1.0"}


def test_lock_of_a_runtime_that_names_no_python(locked: World) -> None:
    spec = locked.specs[locked.root / "rt"]
    spec.lock_file.write_bytes(locked.text("left"))
    locked.specs[spec.root] = replace(spec, runtime=None, requirements=("learn",))
    with pytest.raises(LockError) as caught:
        locked.ensure("left")
    assert "`rt` names no Python" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"no toml", b'lock-version = "1.0"\n'])
@pytest.mark.parametrize("broken", ["rt", "left", "app"])
def test_broken_lock(locked: World, broken: str, content: bytes) -> None:
    path = locked.specs[locked.root / broken].lock_file
    path.write_bytes(content)
    for call in (locked.ensure, locked.lock):
        with pytest.raises(LockError) as caught:
            call("app")
        assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_another_platform(locked: World) -> None:
    from hatch_venvstacks.model.platforms import PLATFORMS

    other = next(one for one in PLATFORMS.values() if one != host_platform())
    with pytest.raises(LockError, match=f"The lock is not for {other.name}"):
        locked.ensure("left", platform=other.name)


def test_failed_resolution_leaves_the_lock(locked: World) -> None:
    before = locked.text("app")
    locked.layer("app", "unknown-thing", bases=("left", "right"))
    with pytest.raises(LockError, match="`app`"):
        locked.lock("app")
    assert locked.text("app") == before
    assert list((locked.root / "cache").glob("build-*")) == []


def test_conflict_with_a_layer_below(locked: World) -> None:
    locked.wheel("learn", "2.0")
    locked.layer("app", "learn>=2", bases=("left", "right"))
    with pytest.raises(LockError, match=r"layer `left` holds learn 1\.0"):
        locked.lock("app")


def test_stack_errors_come_first(world: World) -> None:
    world.layer("left", bases=("app",))
    with pytest.raises(StackError):
        world.lock("app")


EVERYTHING = Upgrade(everything=True)


def only(*names: str) -> Upgrade:
    return Upgrade(names=frozenset(names))


def test_nothing_is_upgraded_unasked(locked: World) -> None:
    locked.wheel("learn", "2.0")
    before = locked.text("left")
    assert locked.lock("left") == {"learn": "1.0"}
    assert locked.said.lines == ["The lock of `left` is up to date"]
    assert locked.text("left") == before


def test_everything_is_upgraded(locked: World) -> None:
    locked.wheel("learn", "2.0")
    assert locked.lock("left", upgrade=EVERYTHING) == {"learn": "2.0"}
    assert "  updated: learn 1.0 -> 2.0" in locked.said.lines
    assert "the layer below now holds learn 2.0, it was 1.0" in locked.stale("app")
    # What the layers above it do not use does not concern them.
    locked.ensure("right")
    assert locked.lock("left", upgrade=EVERYTHING) == {"learn": "2.0"}
    assert "stays as it is" in locked.said.lines[-1]


def test_one_distribution_is_upgraded(locked: World) -> None:
    locked.wheel("more")
    locked.layer("app", "learn", "plot", "extra", "more", bases=("left", "right"))
    assert locked.lock("app") == {"extra": "1.0", "more": "1.0"}
    assert "  added: more 1.0" in locked.said.lines
    for name in ("extra", "more", "learn"):
        locked.wheel(name, "2.0")
    assert locked.lock("app", upgrade=only("more")) == {"extra": "1.0", "more": "2.0"}
    assert locked.lock("app", upgrade=only("learn", "nothing")) == {"extra": "1.0", "more": "2.0"}
    assert locked.said.lines[:2] == [
        (
            "`learn` of HATCH_VENVLAYER_UPGRADE is not upgraded: layer `left` holds it: upgrade it"
            " there"
        ),
        "`nothing` of HATCH_VENVLAYER_UPGRADE is not upgraded: this layer does not add it",
    ]


def test_upgrade_that_is_forbidden(locked: World) -> None:
    with pytest.raises(LockError, match=f"to be upgraded, and {LOCKED} forbids"):
        locked.lock("app", upgrade=EVERYTHING, locked=True)


def test_what_a_layer_below_provides_now_is_said(locked: World) -> None:
    locked.layer("left", "learn", "extra", bases=("rt",))
    locked.lock("left")
    assert "a layer below now holds extra 1.0" in locked.stale("app")
    assert locked.lock("app") == {}
    assert "  now provided by layer `left`: extra 1.0" in locked.said.lines


def test_layer_below_that_changes_in_something_else(locked: World) -> None:
    locked.wheel("unrelated")
    locked.layer("left", "learn", "unrelated", bases=("rt",))
    assert locked.lock("left") == {"learn": "1.0", "unrelated": "1.0"}
    before = locked.text("app")
    locked.ensure("app")
    locked.lock("app")
    assert locked.said.lines == ["The lock of `app` is up to date"]
    assert locked.text("app") == before


def test_exclusions_are_inherited(locked: World) -> None:
    locked.wheel("heavy")
    locked.wheel("user", "1.0", "heavy")
    spec = locked.layer("left", "learn", "user", bases=("rt",))
    locked.specs[spec.root] = replace(spec, exclude_packages=("heavy",))
    assert locked.lock("left") == {"learn": "1.0", "user": "1.0"}
    # The application needs nothing of it.
    locked.ensure("app")
    locked.layer("app", "user", bases=("left",))
    assert locked.lock("app") == {}
    locked.layer("app", "user", "heavy", bases=("left",))
    assert locked.lock("app") == {"heavy": "1.0"}
    locked.specs[spec.root] = spec
    assert "excluded package removed: heavy" in locked.stale("left")


def test_patch_release_of_the_host(locked: World) -> None:
    running = ".".join(str(part) for part in sys.version_info[:3])
    later = f"{MINOR}.{sys.version_info[2] + 1}"
    for name in ("now", "then"):
        locked.wheel(name)
    requirements = (
        f"now ; python_full_version >= '{running}'",
        f"then ; python_full_version >= '{later}'",
    )
    locked.layer("app", *requirements, bases=("left",))
    assert locked.lock("app") == {"now": "1.0"}
    assert read_lock(locked.root / "app/pylock.venvlayer.toml").inputs.release == running
    assert read_lock(locked.root / "left/pylock.venvlayer.toml").inputs.release == ""
    locked.ensure("app")
