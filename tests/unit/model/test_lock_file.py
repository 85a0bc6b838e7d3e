from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oldest import oldest_systems
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.lock import IndexInputs, Lock, LockInputs
from hatch_venvstacks.model.lock_file import (
    dump_lock,
    inputs_table,
    read_inputs,
    read_lock,
    write_lock,
)
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeArchive, RuntimeOrigin

SHA = "0" * 64
MARKER = "sys_platform == 'linux' and platform_machine == 'x86_64'"
TABLE = """\
[tool.hatch-venvstacks]
format = 2
platforms = ["linux_x86_64"]
linux-target = "glibc@2.28"
macos-target = "13.0"
requirements = []
"""
RUNTIME = '[tool.hatch-venvstacks.runtime]\norigin = "archive"\nversion = "3.11.1"\n'
START = 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n'


def package(name: str, *places: dict[str, Any], **more: Any) -> Package:
    wheels = [PackageWheel(name=None, hashes={"sha256": SHA}, **place) for place in places]
    return Package(name=name, version=Version("1.0"), wheels=wheels, **more)  # type: ignore[arg-type]


def lock(path: Path, *packages: Package, **inputs: Any) -> Lock:
    pylock = Pylock(
        lock_version=Version("1.0"),
        created_by="hatch-venvstacks",
        environments=[Marker(MARKER)],
        requires_python=SpecifierSet(">=3.11,<3.12"),
        packages=list(packages),
    )
    values = {"platforms": ("linux_x86_64",), "requirements": (), **inputs}
    return Lock(path, pylock, LockInputs(**values))


def full(path: Path) -> Lock:
    uploaded = datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc)
    url = "https://x.org/a-1.0-py3-none-any.whl"
    return lock(
        path,
        package("a", {"url": url, "size": 3, "upload_time": uploaded}),
        package(
            "b",
            {"path": "../wheels/b-1.0-py3-none-any.whl"},
            {"url": "https://x.org/b-1.0-cp311-cp311-linux_x86_64.whl"},
            marker=Marker(f'{MARKER} or os_name == "nt"'),
            index="https://x.org/simple",
        ),
        requirements=('a >= 1 ; python_version > "3"', "b[extra,two]~=1.0"),
        below={"linux_x86_64": {"c": "1!2.0+local", "d-e": "0.1 over 0.2", "b.c": "2"}},
        oldest_systems=oldest_systems(glibc=(2, 17), macos=(12, 3)),
        excluded=("x", "y"),
        wheels={"b": "../own/b-1.0-py3-none-any.whl ; os_name == 'nt'"},
        release="3.11.7",
    )


def runtime(path: Path, *, archives: bool) -> Lock:
    found = {"linux_x86_64": RuntimeArchive("https://x.org/ä%20.tar.gz?a=b#c", SHA)}
    locked = LockedRuntime(
        RuntimeOrigin.STANDALONE if archives else RuntimeOrigin.HOST,
        "3.11.13" if archives else "3.11",
        found if archives else {},
    )
    return lock(path, runtime=locked)


def check(value: Lock) -> None:
    write_lock(value)
    found = read_lock(value.path)
    assert found.inputs == value.inputs
    assert found.versions("linux_x86_64") == value.versions("linux_x86_64")
    assert dump_lock(found) == dump_lock(value) == value.path.read_text("utf-8")


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ('linux-target = "glibc@2.28"', 'linux-target = "uclibc@1.0"'),
        ('linux-target = "glibc@2.28"', 'linux-target = ["glibc@2.28", "musl"]'),
        ('linux-target = "glibc@2.28"', "linux-target = 2.28"),
        ('macos-target = "13.0"', 'macos-target = "glibc@2.28"'),
    ],
)
def test_oldest_systems_that_are_none(tmp_path: Path, line: str, change: str) -> None:
    value = lock(tmp_path / "pylock.toml")
    write_lock(value)
    text = value.path.read_text("utf-8")
    value.path.write_text(text.replace(line, change), "utf-8")
    assert line in text
    with pytest.raises(LockError):
        read_lock(value.path)


def test_c_libraries(tmp_path: Path) -> None:
    both = oldest_systems(glibc=(2, 17), musl=(1, 1), macos=(13, 0))
    value = lock(tmp_path / "pylock.toml", oldest_systems=both)
    check(value)
    assert 'linux-target = ["glibc@2.17", "musl@1.1"]\n' in value.path.read_text("utf-8")


def test_full_round_trip(tmp_path: Path) -> None:
    check(full(tmp_path / "pylock.toml"))


@pytest.mark.parametrize("archives", [True, False])
def test_runtime_round_trip(tmp_path: Path, archives: bool) -> None:
    check(runtime(tmp_path / "pylock.toml", archives=archives))


def test_empty_round_trip(tmp_path: Path) -> None:
    check(lock(tmp_path / "pylock.toml"))


names = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?\Z")
texts = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=30)
@given(
    st.lists(texts, max_size=4, unique=True),
    st.dictionaries(names, texts.filter(bool), max_size=4),
    st.dictionaries(names, texts, max_size=4),
)
def test_any_text_round_trip(
    requirements: list[str], below: dict[str, str], archives: dict[str, str]
) -> None:
    import tempfile

    found = {name: RuntimeArchive(url, SHA) for name, url in archives.items()}
    with tempfile.TemporaryDirectory() as folder:
        check(
            lock(
                Path(folder) / "pylock.toml",
                package("a", {"url": "https://x.org/a-1.0-py3-none-any.whl"}),
                requirements=tuple(requirements),
                below={"linux_x86_64": {**below, "a": ""}},
                runtime=LockedRuntime(RuntimeOrigin.ARCHIVE, "3.11.7", found),
            )
        )


def test_text_is_valid_pep_751(tmp_path: Path) -> None:
    data = parse_toml(dump_lock(full(tmp_path / "pylock.toml")))
    parsed = Pylock.from_dict(data)
    parsed.validate()
    assert parsed.requires_python == SpecifierSet(">=3.11,<3.12")
    assert [str(one.name) for one in parsed.packages] == ["a", "b"]
    assert parsed.packages[0].marker is None
    assert "marker" not in data["packages"][0]
    assert data["packages"][0]["wheels"][0]["upload-time"].year == 2024
    assert data["packages"][1]["wheels"][0]["path"] == "../wheels/b-1.0-py3-none-any.whl"
    assert data["tool"]["hatch-venvstacks"]["format"] == 2


def test_text_reads_well(tmp_path: Path) -> None:
    text = dump_lock(full(tmp_path / "pylock.toml"))
    assert text.startswith('lock-version = "1.0"\n')
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\r" not in text
    assert "\n\n\n" not in text
    assert text.index("[[packages]]") < text.index("[tool.hatch-venvstacks]")
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not valid (PEP 751)"),
        (b"lock-version", "not valid TOML"),
        (b'lock-version = "1.0"\nlock-version = "1.0"\n', "not valid TOML"),
        (b"\xff\xfe", "cannot be read"),
        (b"a = '\xe9'", "cannot be read"),
        (b"{}", "not valid TOML"),
        (b'lock-version = "1.0"\n', "not valid (PEP 751)"),
        (START.replace("1.0", "2.0").encode(), "not valid (PEP 751)"),
        (START.replace('"1.0"', "1.0").encode(), "not valid (PEP 751)"),
        (START.replace("[]", '"x"').encode(), "not valid (PEP 751)"),
        (START.replace("[]", '[{ name = "a", version = "x y" }]').encode(), "not valid (PEP 751)"),
        (START.replace("[]", '[{ name = "A_B" }]').encode(), "not valid (PEP 751)"),
        (START.replace("[]", '[{ name = "a", marker = "no" }]').encode(), "not valid (PEP 751)"),
        (START.encode(), "not made by hatch-venvstacks"),
        (f"{START}[tool.other]\nx = 1\n".encode(), "not made by hatch-venvstacks"),
        (f"{START}[tool]\nhatch-venvstacks = 1\n".encode(), "not made by hatch-venvstacks"),
        (f"tool = 1\n{START}".encode(), None),
        ((START + TABLE.replace("= 2", "= 1")).encode(), "another version"),
        ((START + TABLE.replace("format = 2\n", "")).encode(), "another version"),
        ((START + TABLE.replace('["linux_x86_64"]', '"abc"')).encode(), "another version"),
        ((START + TABLE.replace('["linux_x86_64"]', "[1]")).encode(), "another version"),
        ((START + TABLE.replace('["linux_x86_64"]', '["vax"]')).encode(), "another version"),
        ((START + TABLE.replace('["linux_x86_64"]', "[]")).encode(), "another version"),
        ((START + TABLE.replace("13.0", "13")).encode(), "another version"),
        ((START + TABLE.replace('"13.0"', "13")).encode(), "another version"),
        ((START + TABLE.replace("glibc@", "musl@")).encode(), "another version"),
        ((START + TABLE.replace("requirements = []", 'requirements = "a"')).encode(), "another"),
        ((START + TABLE.replace("requirements = []", "")).encode(), "another version"),
        ((START + TABLE + 'below = ["a"]\n').encode(), "another version"),
        ((START + TABLE + 'below = { linux_x86_64 = "a" }\n').encode(), "another version"),
        ((START + TABLE + "below = { linux_x86_64 = { a = 1 } }\n").encode(), "another version"),
        ((START + TABLE + 'runtime = "x"\n').encode(), "another version"),
        ((START + TABLE + "runtime = {}\n").encode(), "another version"),
        ((START + TABLE + 'runtime = ""\n').encode(), "another version"),
        ((START + TABLE + "runtime = false\n").encode(), "another version"),
        ((START + TABLE + 'runtime = { origin = "moon", version = "3.11" }\n').encode(), "another"),
        ((START + TABLE + 'runtime = { origin = "host", version = 3 }\n').encode(), "another"),
        ((START + TABLE + 'runtime = { origin = "host", version = "" }\n').encode(), "another"),
        ((START + TABLE + 'runtime = { origin = "host", version = "3" }\n').encode(), "another"),
        ((START + TABLE + 'runtime = { origin = "host", version = "x.y" }\n').encode(), "another"),
        ((START + TABLE + RUNTIME + "archives = { l = 1 }\n").encode(), "another version"),
        ((START + TABLE + RUNTIME + "archives = 1\n").encode(), "another version"),
    ],
)  # fmt: skip
def test_locks_that_are_none(tmp_path: Path, text: bytes, words: str | None) -> None:
    path = tmp_path / "pylock.toml"
    path.write_bytes(text)
    with pytest.raises(LockError) as caught:
        read_lock(path)
    assert words is None or words in caught.value.message
    assert str(path) in caught.value.message


def test_minimal_lock(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text(START + TABLE)
    assert read_lock(path).inputs == LockInputs(("linux_x86_64",), ())


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lock_with_other_line_ends(tmp_path: Path, ending: str) -> None:
    value = full(tmp_path / "pylock.toml")
    value.path.write_bytes(dump_lock(value).replace("\n", ending).encode())
    assert dump_lock(read_lock(value.path)) == dump_lock(value)


def test_missing_lock(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(tmp_path / "gone" / "pylock.toml")
    assert "missing" in caught.value.message
    assert "lock the layer" in caught.value.hint


def test_folder_as_a_lock(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="cannot be read"):
        read_lock(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(LockError, match="cannot be"):
        read_lock(tmp_path / "file" / "pylock.toml")


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    value = full(tmp_path / "new" / "folder" / "pylock.toml")
    before = os.umask(0o077)
    write_lock(value)
    os.umask(before)
    value.path.write_text("x" * 100_000)
    write_lock(value)
    assert value.path.read_text("utf-8") == dump_lock(value)
    assert value.path.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in value.path.parent.iterdir()] == ["pylock.toml"]


@pytest.mark.parametrize("place", ["file/pylock.toml", "folder"])
def test_lock_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder/inside").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LockError) as caught:
        write_lock(full(tmp_path / place))
    assert str(tmp_path / place) in caught.value.message
    assert sorted(tmp_path.rglob("*")) == before


def test_same_value_same_text(tmp_path: Path) -> None:
    first, second = full(tmp_path / "a"), replace(full(tmp_path / "b"), path=tmp_path / "c")
    assert dump_lock(first) == dump_lock(second)


INDEXES = IndexInputs(
    indexes=(
        Index("corp", "https://corp.example/simple", default=True),
        Index("torch-cpu", "../wheels", explicit=True, flat=True),
        Index("", "https://x"),
    ),
    sources={"torch": ("torch-cpu ; sys_platform == 'linux'", "corp ; sys_platform != 'linux'")},
    exclude_newer="1 week",
    find_links=("../links",),
    options={"prerelease": "allow"},
)


class TestIndexInputs:
    def test_table(self) -> None:
        table = inputs_table(INDEXES)
        assert read_inputs(table) == INDEXES
        assert table["index"][1] == {
            "name": "torch-cpu",
            "url": "../wheels",
            "explicit": True,
            "format": "flat",
        }
        assert inputs_table(IndexInputs()) == {}
        assert read_inputs({}) == IndexInputs()

    @pytest.mark.parametrize(
        "table", [{"index": [{}]}, {"sources": {"a": [1]}}, {"exclude-newer": 1}]
    )
    def test_damaged(self, table: dict[str, Any]) -> None:
        with pytest.raises((KeyError, TypeError)):
            read_inputs(table)
