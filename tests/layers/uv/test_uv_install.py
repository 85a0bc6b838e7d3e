from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename
from said import Said
from simple_index import SimpleIndex, serving
from wheels import make_wheel

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.contents.uv_install import Installer, listen_to_fetching
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.lock import LockedWheel
from hatch_venvstacks.model.platforms import PLATFORMS, TargetPlatform, host_platform, wheel_tags

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
CP = f"cp{sys.version_info.major}{sys.version_info.minor}"
SITE = layout_of(host_platform(), MINOR).site_packages


def locked(wheel: Path, name: str, version: str = "1.0") -> LockedWheel:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return LockedWheel(name, version, str(wheel), digest, wheel.name)


def install(prefix: Path, *wheels: LockedWheel, platform: TargetPlatform | None = None) -> None:
    Installer("some-layer", Path(sys.executable), platform or host_platform()).install_wheels(
        wheels, prefix
    )


def test_nothing(tmp_path: Path) -> None:
    install(tmp_path / "deep/prefix")
    assert list((tmp_path / "deep/prefix").iterdir()) == []


def test_wheels(tmp_path: Path, wheel_index: Path) -> None:
    one = make_wheel(wheel_index / "a b ü%20", "one", "1.0", requires=["not-there"])
    two = make_wheel(wheel_index, "two", "1.0+x.1", data={"data/share/two.txt": "2"})
    install(tmp_path / "prefix", locked(one, "one"), locked(two, "two", "1.0+x.1"))
    site = tmp_path / "prefix" / SITE
    assert (site / "one.py").is_file()
    assert (site / "two.py").is_file()
    assert (tmp_path / "prefix/share/two.txt").read_text() == "2"
    assert {path.name for path in tmp_path.iterdir()} == {"prefix", wheel_index.name}
    assert not list(site.rglob("*.pyc"))
    assert not list(site.rglob("INSTALLER"))
    assert not list(site.rglob("direct_url.json"))


@pytest.mark.parametrize("name", PLATFORMS)
def test_other_platforms(tmp_path: Path, wheel_index: Path, name: str) -> None:
    tags = {
        "linux_x86_64": "manylinux_2_28_x86_64",
        "linux_aarch64": "manylinux2014_aarch64",
        "musllinux_x86_64": "musllinux_1_2_x86_64",
        "musllinux_aarch64": "musllinux_1_1_aarch64",
        "macosx_arm64": "macosx_13_0_arm64",
        "macosx_x86_64": "macosx_10_9_x86_64",
        "win_amd64": "win_amd64",
        "win_arm64": "win_arm64",
    }
    wheel = make_wheel(wheel_index, "native", "1.0", tag=f"{CP}-{CP}-{tags[name]}")
    install(tmp_path / "prefix", locked(wheel, "native"), platform=PLATFORMS[name])
    assert (tmp_path / "prefix" / SITE / "native.py").is_file()


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("linux_x86_64", True),
        ("manylinux_2_17_x86_64.musllinux_1_1_x86_64", True),
        ("manylinux_2_17_x86_64", False),
        ("musllinux_1_3_x86_64", False),
        ("musllinux_1_0_x86_64", True),
    ],
)
def test_uv_takes_the_same_wheels_for_musl(
    tmp_path: Path, wheel_index: Path, tag: str, *, fits: bool
) -> None:
    platform = PLATFORMS["musllinux_x86_64"]
    wheel = make_wheel(wheel_index, "native", "1.0", tag=f"{CP}-{CP}-{tag}")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    accepted = set(wheel_tags(platform, minor)) & parse_wheel_filename(wheel.name)[3]
    assert bool(accepted) == fits
    if fits:
        install(tmp_path / "prefix", locked(wheel, "native"), platform=platform)
        assert (tmp_path / "prefix" / SITE / "native.py").is_file()
        return
    with pytest.raises(ToolError):
        install(tmp_path / "prefix", locked(wheel, "native"), platform=platform)


def test_wheel_that_is_not_the_locked_one(tmp_path: Path, wheel_index: Path) -> None:
    wheel = locked(make_wheel(wheel_index, "one", "1.0"), "one")
    for digest in ("0" * 64, ""):
        with pytest.raises(ToolError) as caught:
            install(tmp_path / f"prefix{len(digest)}", replace(wheel, sha256=digest))
        assert "layer `some-layer`" in caught.value.message
        assert "hash" in caught.value.detail.lower()
    assert not list(tmp_path.rglob("one.py"))
    assert not list(tmp_path.rglob("pylock*"))


@pytest.mark.parametrize(
    "location",
    ["/no/such/one-1.0-py3-none-any.whl", "https://127.0.0.1:1/one-1.0-py3-none-any.whl"],
)
def test_wheel_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    wheel = LockedWheel("one", "1.0", location, "0" * 64, "one-1.0-py3-none-any.whl")
    with pytest.raises(ToolError) as caught:
        install(tmp_path / "prefix", wheel)
    assert "one" in caught.value.detail


def test_what_is_in_the_cache_is_not_asked_for(
    tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    wheel = make_wheel(wheel_index, "one", "1.0")
    # A server that says nothing of how long an answer holds.
    with serving(SimpleIndex(wheel_index)) as server:
        address = f"http://127.0.0.1:{server.port}/files/{wheel.name}"
        remote = replace(locked(wheel, "one"), location=address)
        install(tmp_path / "first", remote)
        asked = list(server.requests)
        install(tmp_path / "second", remote)
        assert server.requests == asked
    assert asked
    assert (tmp_path / "second" / SITE / "one.py").is_file()
    unpacked = [path.name for path in (tmp_path / "cache").glob("archive-*/*")]
    assert len(unpacked) == 1


def test_what_is_fetched_is_said(
    tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    # Hard to compress: of small files uv says nothing.
    content = "".join(f"# {hashlib.sha256(b'%d' % n).hexdigest()}\n" for n in range(50_000))
    wheel = make_wheel(wheel_index, "large", "1.0", {"large.py": content})
    size = 2_000_000_000
    with serving(SimpleIndex(wheel_index)) as server:
        address = f"http://127.0.0.1:{server.port}/files/{wheel.name}"
        remote = replace(locked(wheel, "large"), location=address, size=size)
        for folder in ("first", "second"):
            said = Said()
            installer = Installer(
                "some-layer", Path(sys.executable), host_platform(), reporter=said
            )
            installer.install_wheels([remote], tmp_path / folder)
            assert said.lines == (["Fetching large 2.0 GB"] if folder == "first" else [])


def test_words_on_what_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hatch_venvstacks.common.reporter._PAUSE", 0.0)
    said, mega = Said(), 1_000_000
    wheels = [
        LockedWheel(name, "1", f"https://x/{name}", "", f"{name}.whl", size)
        for name, size in (("a", 60 * mega), ("b", 20 * mega), ("c", 30 * mega), ("d", None))
    ]
    heard = listen_to_fetching(wheels, "low", said)
    for line in ("Downloading a (57.2MiB)", "Downloading b (19MiB)", "Downloading d (3MiB)", ""):
        heard(f"{line}\n")
    for line in (" Downloaded b", " Downloaded a", "Downloaded other", "Prepared 4 packages"):
        heard(f"{line}\n")
    assert said.lines == [
        "Fetching a 60.0 MB",
        "Fetching b 20.0 MB",
        "Fetching d",
        "Fetching the wheels of `low`: 20.0 MB of 110.0 MB",
        "Fetching the wheels of `low`: 80.0 MB of 110.0 MB",
    ]


def test_wheel_for_another_platform(tmp_path: Path, wheel_index: Path) -> None:
    wheel = make_wheel(wheel_index, "native", "1.0", tag=f"{CP}-{CP}-win_amd64")
    with pytest.raises(ToolError, match="some-layer"):
        install(tmp_path / "prefix", locked(wheel, "native"), platform=PLATFORMS["linux_x86_64"])


def project(prefix: Path, wheel: Path) -> None:
    Installer("some-layer", Path(sys.executable), host_platform()).install_project(wheel, prefix)


def test_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(
        tmp_path / "a b #c",
        "app",
        "1.0",
        requires=["nowhere"],
        entry_points="[console_scripts]\nx = app:m\n",
    )
    cache = tmp_path / "cache"
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    project(tmp_path / "prefix", wheel)
    assert (tmp_path / "prefix" / SITE / "app.py").is_file()
    assert (tmp_path / "prefix/bin/x").is_file()
    assert not list(cache.rglob("app*"))


def test_project_for_another_python(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "app", "1.0", tag="cp27-cp27m-win32")
    with pytest.raises(ToolError, match="some-layer"):
        project(tmp_path / "prefix", wheel)


@pytest.mark.parametrize("known", [True, False])
def test_credentials_from_the_environment(
    tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    wheel = make_wheel(wheel_index, "vl-one", "1.0")
    with serving(SimpleIndex(wheel_index, "joe:p@ss/hunter2")) as index:
        monkeypatch.setenv("UV_INDEX_MY_CORP_USERNAME", "joe")
        monkeypatch.setenv("UV_INDEX_MY_CORP_PASSWORD", "p@ss/hunter2")
        url = index.url.replace("/simple/", f"/files/{wheel.name}")
        indexes = (Index("my-corp", index.url),) if known else ()
        installer = Installer("some-layer", Path(sys.executable), host_platform(), indexes)
        one = replace(locked(wheel, "vl-one"), location=url)
        if known:
            installer.install_wheels([one], tmp_path / "prefix")
            assert (tmp_path / "prefix" / SITE / "vl_one.py").is_file()
        else:
            with pytest.raises(ToolError, match="401") as caught:
                installer.install_wheels([one], tmp_path / "prefix")
            assert "hunter2" not in str(caught.value)
