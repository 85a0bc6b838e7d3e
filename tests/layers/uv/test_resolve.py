from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker
from resolving import ANY, CP, HERE, MINOR, World, make_world, refused
from wheels import make_wheel

from hatch_venvstacks.common.redaction import without_credentials
from hatch_venvstacks.locking.staleness import staleness
from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.lock_file import dump_lock
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.sources.indexes import ResolutionIndexes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolving import Below


@pytest.fixture
def world(tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, wheel_index, monkeypatch)


def test_nothing_to_resolve(world: World) -> None:
    lock = world.lock()
    assert lock.versions(HERE.name) == {}
    assert lock.inputs.below == {"linux_x86_64": {}}
    assert not (world.root / "work 1").exists()


def test_everything_that_is_required(world: World) -> None:
    world.wheel("Some.Dep", "1.0", "sub>=1")
    world.wheel("sub", "1.0+local.1")
    world.wheel("sub", "2.0", "nowhere")
    lock = world.lock("some_dep", "sub<2")
    assert lock.versions(HERE.name) == {"some-dep": "1.0", "sub": "1.0+local.1"}
    assert lock.path == world.root / "top/pylock.venvlayer.toml"
    assert lock.inputs.requirements == ("some_dep", "sub<2")
    assert lock.inputs.platforms == (HERE.name,)
    (first, _) = lock.pylock.packages
    assert first.marker is None
    assert first.index is None
    assert first.wheels is not None
    assert first.wheels[0].url is None
    place = first.wheels[0].path
    assert place == f"../{world.index.name}/some_dep-1.0-py3-none-any.whl"
    assert lock.pylock.packages[0].sdist is None
    assert str(world.root) not in dump_lock(lock)
    wheels = select_wheels(lock, HERE, MINOR)
    assert [Path(wheel.location).is_file() for wheel in wheels] == [True, True]


def test_what_lies_below_is_taken_out(world: World) -> None:
    world.wheel("sub", "1.0")
    below = world.layer("base", "sub")
    world.wheel("sub", "2.0")
    world.wheel("dep", "1.0", "sub")
    lock = world.lock("dep", "sub", below=below)
    assert lock.versions(HERE.name) == {"dep": "1.0"}
    assert lock.inputs.below == {HERE.name: {"dep": "", "sub": "1.0"}}
    top = world.spec("top", "dep", "sub")
    assert staleness(lock, top, [HERE], {HERE.name: {"sub": "1.0"}}) == []
    assert staleness(lock, top, [HERE], {HERE.name: {"sub": "1.0", "dep": "1.0"}}) != []
    assert world.lock("sub", below=below).versions(HERE.name) == {}


def test_names_are_normalized(world: World) -> None:
    world.wheel("Zope.Thing", "1.0")
    below = world.layer("base", "zope_thing")
    assert world.lock("ZOPE-thing>=1", below=below).versions(HERE.name) == {}
    assert "zope-thing 1.0" in refused(world, "Zope_Thing>1", below=below).message


def test_extras_of_what_lies_below(world: World) -> None:
    world.wheel("web", "1.0", "core", "socks ; extra == 'proxy'", extras=["proxy"])
    for name in ("core", "socks"):
        world.wheel(name, "1.0")
    below = world.layer("base", "web")
    assert below[0][1].versions(HERE.name) == {"core": "1.0", "web": "1.0"}
    lock = world.lock("web[proxy]", below=below)
    assert lock.versions(HERE.name) == {"socks": "1.0"}
    assert set(lock.inputs.below[HERE.name]) == {"core", "socks", "web"}


def test_three_floors(world: World) -> None:
    world.wheel("a", "1")
    world.wheel("b", "1", "a")
    world.wheel("c", "1", "b")
    first = world.layer("first", "a")
    second = world.layer("second", "b", below=first)
    lock = world.lock("c", below=second)
    assert second[0][1].versions(HERE.name) == {"b": "1"}
    assert lock.versions(HERE.name) == {"c": "1"}


def test_pins_are_kept(world: World) -> None:
    world.wheel("dep", "1.0", "sub")
    world.wheel("sub", "1.0")
    before = world.lock("dep")
    world.wheel("dep", "1.1", "sub")
    world.wheel("sub", "1.1")
    world.wheel("more", "1.0")
    assert dump_lock(world.lock("dep", previous=before)) == dump_lock(before)
    assert world.lock("dep").versions(HERE.name) == {"dep": "1.1", "sub": "1.1"}
    kept = {"dep": "1.0", "more": "1.0", "sub": "1.0"}
    assert world.lock("dep", "more", previous=before).versions(HERE.name) == kept
    changed = world.lock("dep>1", previous=before).versions(HERE.name)
    assert changed == {"dep": "1.1", "sub": "1.0"}
    (world.index / "dep-1.0-py3-none-any.whl").unlink()
    assert world.lock("dep", previous=before).versions(HERE.name) == {"dep": "1.1", "sub": "1.0"}


@pytest.mark.parametrize(
    "options", [{"resolution": "lowest"}, {"fork-strategy": "fewest"}, {"prerelease": "allow"}]
)
def test_pins_are_kept_under_any_strategy(world: World, options: dict[str, str]) -> None:
    world.indexes = ResolutionIndexes(options=options)
    world.wheel("dep", "1.0")
    before = world.lock("dep")
    for version in ("0.9", "1.1"):
        world.wheel("dep", version)
    world.wheel("more", "1.0")
    kept = {"dep": "1.0", "more": "1.0"}
    assert world.lock("dep", "more", previous=before).versions(HERE.name) == kept


def test_a_pin_gives_way_to_what_lies_below(world: World) -> None:
    world.wheel("sub", "1.0")
    world.wheel("dep", "1.0", "sub")
    before = world.lock("dep")
    world.wheel("sub", "2.0")
    lock = world.lock("dep", below=world.layer("base", "sub"), previous=before)
    assert lock.versions(HERE.name) == {"dep": "1.0"}
    assert lock.inputs.below[HERE.name]["sub"] == "2.0"


def test_rebuilt_wheel_is_noticed(world: World) -> None:
    world.wheel("dep", "1.0")
    before = world.lock("dep")
    # uv goes by the wheel's size and time where it keeps it.
    world.wheel("dep", "1.0", files={"dep.py": "changed = 'and longer than it was before'\n"})
    after = world.lock("dep", previous=before)
    assert after.pylock.packages[0].wheels != before.pylock.packages[0].wheels


def test_direct_conflict(world: World) -> None:
    world.wheel("sub", "1.0")
    below = world.layer("base", "sub")
    world.wheel("sub", "2.0")
    error = refused(world, "sub>=2", below=below)
    assert "`top` conflicts" in error.message
    assert "it requires `sub>=2`, but layer `base` holds sub 1.0" in error.message
    assert error.detail
    assert error.hint


def test_conflict_through_others(world: World) -> None:
    world.wheel("sub", "1.0")
    below = world.layer("base", "sub")
    world.wheel("sub", "2.0")
    world.wheel("dep", "1.0", "sub>=2")
    world.wheel("app", "1.0", "dep")
    error = refused(world, "app", below=below)
    assert "`app` -> app 1.0 -> dep 1.0 needs another sub (alone it takes 2.0)" in error.message
    assert "than 1.0, which layer `base` holds" in error.message
    assert world.said == [
        "The requirements of layer `top` cannot be resolved: looking for the reason"
    ]


def test_conflict_through_an_extra(world: World) -> None:
    world.wheel("sub", "1.0")
    below = world.layer("base", "sub")
    world.wheel("sub", "2.0")
    world.wheel("web", "1.0", "sub>=2 ; extra == 'x'", extras=["x"])
    error = refused(world, "web[x]", below=below)
    assert "`web[x]` -> web 1.0 needs another sub" in error.message
    assert "sub 2.0 would do for all layers: lock `base` again" in error.hint
    assert world.lock("web", below=below).versions(HERE.name) == {"web": "1.0"}


@pytest.mark.parametrize(
    "marker",
    [
        "implementation_name == 'pypy'",
        "os_name != 'posix'",
        "python_version < '3.10' or platform_machine == 'ppc64le'",
        "python_version >= '3.99' or sys_platform == 'win32'",
        "python_version < '3.10' or sys_platform == 'win32' and extra == 'x'",
    ],
)
def test_what_is_only_needed_elsewhere_is_not_resolved(world: World, marker: str) -> None:
    world.wheel("dep", "1.0", f"vl-nowhere ; {marker}", f"low<2 ; {marker}", extras=["x"])
    world.wheel("low", "1.0")
    world.wheel("low", "2.0")
    lock = world.lock("dep[x]", "low", f"vl-missing ; {marker.partition(' and ')[0]}")
    assert lock.versions(HERE.name) == {"dep": "1.0", "low": "2.0"}
    assert [package.marker for package in lock.pylock.packages] == [None, None]
    assert [str(one) for one in lock.pylock.environments or ()] == [str(Marker(HERE.marker))]


def test_requirement_for_elsewhere_is_not_blamed(world: World) -> None:
    world.wheel("sub", "1.0")
    below = world.layer("base", "sub")
    elsewhere = "sub>=2 ; sys_platform == 'emscripten'"
    assert world.lock(elsewhere, below=below).versions(HERE.name) == {}
    error = refused(world, elsewhere, "unknown-thing", below=below)
    assert "emscripten" not in error.message
    assert "unknown-thing" in error.detail


def test_failure_without_a_layer_to_blame(world: World) -> None:
    world.wheel("sub", "1.0")
    below = world.layer("base", "sub")
    error = refused(world, "sub", "unknown-thing", below=below)
    assert "layer `top` cannot be resolved" in error.message
    assert "conflicts" not in error.message
    assert "unknown-thing" in error.detail


@pytest.fixture
def two_bases(world: World) -> Below:
    for version in ("1.0", "2.0"):
        world.wheel("sub", version)
    world.wheel("left-only", "1.0", "sub<2")
    world.wheel("right-only", "1.0", "sub")
    left, right = world.layer("left", "left-only"), world.layer("right", "right-only")
    assert left[0][1].versions(HERE.name)["sub"] != right[0][1].versions(HERE.name)["sub"]
    return [*left, *right]


def test_two_versions_below_of_which_the_first_does(world: World, two_bases: Below) -> None:
    lock = world.lock("sub", below=two_bases)
    assert lock.versions(HERE.name) == {}
    assert lock.inputs.below[HERE.name] == {"sub": "1.0 over 2.0"}


def test_two_versions_below_of_which_the_first_does_not(world: World, two_bases: Below) -> None:
    error = refused(world, "sub", below=list(reversed(two_bases)))
    for word in ("`sub`", "`right` holds 2.0", "`left` holds 1.0"):
        assert word in error.message
    assert error.hint


def test_two_versions_below_are_not_blamed_for_something_else(
    world: World, two_bases: Below
) -> None:
    error = refused(world, "unknown-thing", below=two_bases)
    assert "different versions" not in error.message
    assert "unknown-thing" in error.detail


def test_the_right_one_of_two_disagreements_is_named(world: World, two_bases: Below) -> None:
    world.wheel("aaa", "1.0")
    left = world.layer("more-left", "aaa")
    world.wheel("aaa", "2.0")
    right = world.layer("more-right", "aaa")
    error = refused(world, "sub", below=[*left, *right, *reversed(two_bases)])
    assert "different versions of `sub`" in error.message


def test_what_the_first_of_two_versions_below_lacks_is_added(world: World) -> None:
    world.wheel("dep", "1.0", "sub ; extra == 'x'", extras=["x"])
    world.wheel("dep", "2.0", extras=["x"])
    world.wheel("sub", "1.0")
    old = world.layer("old", "dep<2")
    new = world.layer("new", "dep[x]")
    lock = world.lock(below=[*old, *new])
    assert lock.versions(HERE.name) == {"sub": "1.0"}
    recorded = dict(lock.inputs.below[HERE.name])
    assert recorded.pop("dep").startswith("1.0 over 2.0 requires ")
    assert recorded == {"sub": ""}
    world.wheel("sub", "2.0")
    assert world.lock(below=[*old, *new], previous=lock).versions(HERE.name) == {"sub": "1.0"}


def test_layer_for_another_platform_holds_nothing_here(world: World) -> None:
    world.wheel("sub", "1.0")
    (spec, lock), = world.layer("base", "sub")  # fmt: skip
    lock = replace(lock, inputs=replace(lock.inputs, platforms=("win_arm64",)))
    assert world.lock("sub", below=[(spec, lock)]).versions(HERE.name) == {"sub": "1.0"}


def test_prerelease_below_counts(world: World) -> None:
    world.wheel("sub", "2.0rc1")
    below = world.layer("base", "sub")
    world.wheel("sub", "1.0")
    world.wheel("dep", "1.0", "sub")
    assert world.lock("dep", below=below).versions(HERE.name) == {"dep": "1.0"}
    assert world.lock("sub>=1", below=below).versions(HERE.name) == {}


@pytest.mark.parametrize("version", ["1!2.0", "1.0+cu121", "1.0.post1", "2024.1.1"])
def test_odd_versions_below(world: World, version: str) -> None:
    world.wheel("sub", version)
    below = world.layer("base", "sub")
    assert below[0][1].versions(HERE.name) == {"sub": version}
    world.wheel("dep", "1.0", "sub")
    assert world.lock("dep", below=below).versions(HERE.name) == {"dep": "1.0"}


@pytest.mark.parametrize("tag", [f"{CP}-{CP}-win_amd64", f"{CP}-{CP}-musllinux_1_2_x86_64"])
def test_no_wheel_for_the_platform(world: World, tag: str) -> None:
    world.platforms = ("linux_x86_64",)
    world.wheel("native", "1.0", tag=tag)
    error = refused(world, "native")
    words = str(error)
    assert "native" in words
    assert "linux" in words
    assert "top" in error.message


def test_only_a_source_distribution(world: World) -> None:
    import io
    import tarfile

    with tarfile.open(world.index / "raw-1.0.tar.gz", "w:gz") as archive:
        content = b"Metadata-Version: 2.2\nName: raw\nVersion: 1.0\n"
        info = tarfile.TarInfo("raw-1.0/PKG-INFO")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    error = refused(world, "raw")
    assert "raw" in str(error)
    world.wheel("raw", "0.9")
    assert world.lock("raw").versions(HERE.name) == {"raw": "0.9"}


def test_only_usable_wheels_are_locked(world: World) -> None:
    world.platforms = ("linux_x86_64",)
    tags = ["manylinux_2_17_x86_64", "musllinux_1_2_x86_64", "macosx_11_0_arm64", "win_amd64"]
    for tag in tags:
        world.wheel("native", "1.0", tag=f"{CP}-{CP}-{tag}")
    world.wheel("native", "1.0", tag="cp27-cp27m-manylinux_2_17_x86_64")
    (package,) = world.lock("native").pylock.packages
    names = [wheel.filename for wheel in package.wheels or ()]
    assert names == [f"native-1.0-{CP}-{CP}-manylinux_2_17_x86_64.whl"]


def test_dependencies_by_platform(world: World) -> None:
    for name in ("posix", "windows"):
        world.wheel(name, "1.0")
    world.wheel("dep", "1.0", "windows ; os_name == 'nt'", "posix ; sys_platform != 'win32'")
    for name, expected in (("linux_x86_64", "posix"), ("win_amd64", "windows")):
        world.platforms = (name,)
        lock = world.lock("dep")
        assert set(lock.versions(name)) == {"dep", expected}
        assert all(package.marker is None for package in lock.pylock.packages)


def test_several_platforms(world: World) -> None:
    world.platforms = ANY
    world.wheel("windows", "1.0")
    world.wheel("dep", "1.0", "windows ; os_name == 'nt'")
    lock = world.lock("dep")
    assert lock.inputs.platforms == ANY
    assert {str(one.name): one.marker is None for one in lock.pylock.packages} == {
        "dep": True,
        "windows": False,
    }
    for platform in ANY:
        names = [wheel.name for wheel in select_wheels(lock, PLATFORMS[platform], MINOR)]
        assert names == (["dep", "windows"] if platform == "win_amd64" else ["dep"])


def test_what_lies_below_on_some_platforms(world: World) -> None:
    world.wheel("sub", "1.0")
    ((spec, lock),) = world.layer("base", "sub")
    world.wheel("sub", "2.0")
    here = replace(lock, inputs=replace(lock.inputs, platforms=("linux_x86_64",)))
    world.platforms = ANY
    lock = world.lock("sub", below=[(spec, here)])
    (package,) = lock.pylock.packages
    assert package.marker is not None
    assert lock.inputs.below["linux_x86_64"] == {"sub": "1.0"}
    assert lock.inputs.below["win_amd64"] == {"sub": ""}
    for platform in ANY:
        names = [wheel.name for wheel in select_wheels(lock, PLATFORMS[platform], MINOR)]
        assert names == ([] if platform == "linux_x86_64" else ["sub"])


def test_python_that_does_not_fit(world: World) -> None:
    world.wheel("dep", "2.0", requires_python=">=4")
    assert "dep" in refused(world, "dep").detail
    world.wheel("dep", "1.0", requires_python=">=3.8")
    assert world.lock("dep").versions(HERE.name) == {"dep": "1.0"}


def test_requirement_with_an_address(world: World) -> None:
    elsewhere = world.root / "else where"
    wheel = make_wheel(elsewhere, "direct", "1.0")
    lock = world.lock(f"direct @ {wheel.as_uri()}")
    (found,) = select_wheels(lock, HERE, MINOR)
    assert Path(found.location) == wheel
    assert str(world.root) not in dump_lock(
        replace(lock, inputs=replace(lock.inputs, requirements=()))
    )


def test_projects_around_do_not_matter(world: World) -> None:
    world.wheel("dep", "1.0")
    (world.root / "pyproject.toml").write_text(
        '[project]\nname = "around"\nversion = "1"\ndependencies = ["unknown-thing"]\n'
        '[tool.uv]\nconstraint-dependencies = ["dep>5"]\n'
        '[tool.uv.workspace]\nmembers = ["work*/*"]\n'
    )
    assert world.lock("dep").versions(HERE.name) == {"dep": "1.0"}


class Index(http.server.SimpleHTTPRequestHandler):
    """A simple index that wants a password."""

    def do_GET(self) -> None:
        if "Authorization" not in self.headers:
            self.send_error(401)
            return
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None: ...  # noqa: A002


@pytest.fixture
def address(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pages = world.root / "pages"
    wheel = make_wheel(pages / "dep", "dep", "1.0")
    (pages / "dep/index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Index, directory=str(pages))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("UV_FIND_LINKS", "UV_OFFLINE", "UV_NO_INDEX"):
            monkeypatch.delenv(name)
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_yanked_release_is_passed_over(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_wheel(world.root / "pages/dep", "dep", "2.0")
    link = '<a href="{0}" {1}>{0}</a>'
    (world.root / "pages/dep/index.html").write_text(
        link.format("dep-1.0-py3-none-any.whl", "") + link.format(newer.name, 'data-yanked="bad"')
    )
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://someone:s3cret@{address}/")
    assert world.lock("dep").versions(HERE.name) == {"dep": "1.0"}
    # Who names it has it (PEP 592).
    assert world.lock("dep==2.0").versions(HERE.name) == {"dep": "2.0"}


def test_a_date_hides_nothing_that_lies_below(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://someone:s3cret@{address}/")
    below = world.layer("base", "dep")
    # To uv, files without a date are too new.
    world.indexes = ResolutionIndexes(
        exclude_newer="2020-01-01", options={"exclude-newer-package": {"other": "2020-01-01"}}
    )
    refused(world, "dep")
    lock = world.lock("dep", below=below)
    assert lock.versions(HERE.name) == {}
    assert lock.inputs.below[HERE.name] == {"dep": "1.0"}


def test_prereleases_are_for_those_who_ask(world: World) -> None:
    for version in ("1.0", "2.0rc1"):
        world.wheel("sub", version)
    world.wheel("new", "1.0b2")
    lock = world.lock("sub", "new")
    assert lock.versions(HERE.name) == {"sub": "1.0", "new": "1.0b2"}
    assert world.lock("sub>=2.0rc0").versions(HERE.name) == {"sub": "2.0rc1"}


def test_credentials_reach_no_lock(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://someone:s3cret@{address}/")
    lock = world.lock("dep")
    text = dump_lock(lock)
    assert f"http://{address}/dep/dep-1.0-py3-none-any.whl" in text
    for word in ("s3cret", "someone", "@"):
        assert word not in text.replace("glibc@", "")
    assert "s3cret" not in str(refused(world, "unknown-thing"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{address}/")
    assert "s3cret" not in str(refused(world, "dep>1"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://x.org/a", "https://x.org/a"),
        ("https://u:p@x.org:8/a?b=c@d#e", "https://x.org:8/a#e"),
        ("https://token@x.org/a@b", "https://x.org/a@b"),
        ("https://u:p%40q@[::1]:8/a", "https://[::1]:8/a"),
        ("https://u:p@q@x.org/", "https://x.org/"),
    ],
)
def test_without_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected
