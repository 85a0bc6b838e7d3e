"""Archives for all platforms, of real wheels, built on this machine.

The runtimes of other platforms are stand-ins, and nothing for another platform is run: its files
are looked at. What is for this machine runs.
"""

from __future__ import annotations

import os
import struct
import sys
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deployed import run, unpack_all
from interpreters import some_interpreter
from monorepo import RUNTIME, Monorepo, pypi, write
from packaging.tags import parse_tag
from standalone import make_standalone, sha256_of
from universe_check import make_machine
from wheels import make_wheel

from hatch_venvstacks.config.environment_variables import PLATFORM
from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform, wheel_tags
from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from front_end import FrontEnds

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real layers")]

HERE = host_platform().name
FRAMEWORK, APP = "frameworks/fw", "apps/app"
# The machines of an ELF, a Mach-O and a PE file, and the platforms that they are of.
ELF = {62: {"linux_x86_64", "musllinux_x86_64"}, 183: {"linux_aarch64", "musllinux_aarch64"}}
MACH_O = {0x01000007: "macosx_x86_64", 0x0100000C: "macosx_arm64"}
PE = {0x8664: "win_amd64", 0xAA64: "win_arm64"}
PROGRAM = """\
import numpy, markupsafe, sys, vl_tool

def main():
    print(numpy.arange(4).sum(), markupsafe.escape("<"), vl_tool.__name__, sys.argv[1:])
"""


def native_platforms(content: bytes) -> set[str]:
    """The platforms whose machines ``content`` is a program or a library for; none for others."""
    if content[:4] == b"\x7fELF":
        return ELF[struct.unpack_from("<H", content, 18)[0]]
    if content[:4] == b"\xcf\xfa\xed\xfe":
        return {MACH_O[struct.unpack_from("<I", content, 4)[0]]}
    if content[:4] == b"\xca\xfe\xba\xbe":
        (count,) = struct.unpack_from(">I", content, 4)
        kinds = [struct.unpack_from(">I", content, 8 + 20 * one)[0] for one in range(count)]
        return {MACH_O[kind] for kind in kinds}
    if content[:2] == b"MZ":
        (offset,) = struct.unpack_from("<I", content, 0x3C)
        return {PE[struct.unpack_from("<H", content, offset + 4)[0]]}
    return set()


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, front_ends: FrontEnds) -> Monorepo:
    """A framework and an application for all platforms, locked and built."""
    root = tmp_path_factory.mktemp("archives")
    script = "[console_scripts]\nvl-tool = vl_tool:main\n"
    make_wheel(root / "wheels", "vl-tool", "1.0", {"vl_tool.py": PROGRAM}, entry_points=script)
    machine = make_machine(root / "machine")
    source = {
        name: {"url": f"file:../../../machine/{name}.tar.gz", "sha256": one.sha256}
        for name, one in machine.runtime.archives.items()
    }
    packed = make_standalone(some_interpreter(), root / "machine" / "here")
    source[HERE] = {
        "url": f"file:../../../machine/here/{packed.name}",
        "sha256": sha256_of(packed),
    }
    repo = Monorepo(root / "repo", root / "wheels", front_ends)
    version = describe(some_interpreter()).version
    repo.runtime(python=f"cpython@{version}", python_source=source, platforms=list(PLATFORMS))
    repo.layer(FRAMEWORK, dependencies=["numpy", "markupsafe"], base=[RUNTIME], compression_level=1)
    scripts = {"scripts": {"app": "app:main"}}
    repo.layer(APP, dependencies=["vl-tool", "rich"], base=[FRAMEWORK], project=scripts)
    write(repo.root / APP, {"app.py": "from vl_tool import main\n"})
    repo.build(RUNTIME, env=pypi())
    for layer in (FRAMEWORK, APP):
        repo.build(layer, env={**pypi(), PLATFORM: "all"})
    return repo


def archive(repo: Monorepo, layer: str, platform: str) -> Path:
    (found,) = (
        path
        for path in (repo.root / layer / "dist/venvlayer").glob(f"*-{platform}.*")
        if path.suffix != ".json"
    )
    return found


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(root).as_posix(), path.read_bytes()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_of_another_platform_or_of_this_machine(
    repo: Monorepo, platform: str, tmp_path: Path
) -> None:
    archives = [archive(repo, layer, platform) for layer in (FRAMEWORK, APP)]
    root = unpack_all(archives, tmp_path / "root")
    target = read_lock(repo.root / FRAMEWORK / "pylock.venvlayer.toml").target(platform)
    tags = frozenset(wheel_tags(target, f"{sys.version_info[0]}.{sys.version_info[1]}"))
    cache = repo.front_ends.environment["HATCH_VENVLAYER_CACHE"]
    uv_cache = os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv"
    places = (repo.root.parent, sys.prefix, sys.base_prefix, some_interpreter(), cache, uv_cache)
    host = [str(place).encode() for place in places]
    native, wheels = 0, 0
    for name, content in contents(root):
        kinds = native_platforms(content)
        assert not kinds or platform in kinds, name
        native += bool(kinds)
        assert not any(path in content for path in host), name
        if name.endswith(".dist-info/WHEEL"):
            listed = HeaderParser().parsestr(content.decode()).get_all("Tag") or []
            assert any(parse_tag(tag) & tags for tag in listed), (name, listed)
            wheels += 1
    assert native > 10  # those of numpy
    assert wheels > 5
    suffix = ".exe" if platform.startswith("win") else ""
    folder = "Scripts" if suffix else "bin"
    assert {path.name for path in (root / "app" / folder).iterdir()} >= {
        f"app{suffix}",
        f"vl-tool{suffix}",
    }


def test_second_build_gives_the_same_bytes(repo: Monorepo, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in repo.archives()}
    again = Monorepo(tmp_path / "again" / "repo", repo.wheels, repo.front_ends)
    for layer in (RUNTIME, FRAMEWORK, APP):
        for name in ("pyproject.toml", "pylock.venvlayer.toml", "app.py"):
            if (repo.root / layer / name).is_file():
                text = (repo.root / layer / name).read_text("utf-8")
                write(again.root / layer, {name: text})
    for name in ("machine", "wheels"):
        (tmp_path / "again" / name).symlink_to(repo.root.parent / name)
    caches = {
        "HATCH_VENVLAYER_CACHE": str(tmp_path / "cache"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }
    for layer in (FRAMEWORK, APP):
        again.build(layer, env={**pypi(), **caches, PLATFORM: "all"})
    second = {path.name: path.read_bytes() for path in again.archives()}
    assert len(second) == 2 * len(PLATFORMS)
    assert all(first[name] == content for name, content in second.items())


def test_what_is_for_this_machine_runs(repo: Monorepo, tmp_path: Path) -> None:
    layers = (RUNTIME, FRAMEWORK, APP)
    root = unpack_all([archive(repo, one, HERE) for one in layers], tmp_path / "a b")
    for script in ("app", "vl-tool"):
        said = run([root / "app/bin" / script, "x"], tmp_path).stdout
        assert said == "6 &lt; vl_tool ['x']\n"
