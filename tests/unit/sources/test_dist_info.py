from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.sources.dist_info import (
    CoreMetadata,
    parse_metadata,
    parse_record,
    parse_scripts,
    read_wheel_metadata,
    record_hash,
)

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = "some_lib-1.0-py3-none-any.whl"
INFO = "some_lib-1.0.dist-info"


def test_fields_are_given_as_they_stand() -> None:
    text = """\
Metadata-Version: 2.1
Name: Some.Lib
Version: 01.0
Requires-Python: >= 3.10
Requires-Dist: b  ; extra == 'X'
requires-dist: a
Provides-Extra: X

Requires-Dist: what a description says
"""
    assert parse_metadata(text) == CoreMetadata(
        "Some.Lib", "01.0", ("b  ; extra == 'X'", "a"), ("X",), ">= 3.10"
    )


def test_fields_that_are_missing_or_stand_there_twice() -> None:
    assert parse_metadata("") == CoreMetadata("", "", (), (), "")
    text = "Name: one\nName: two\nVersion: 1\nRequires-Python: >=3.10\nRequires-Python: >=3.12\n"
    assert parse_metadata(text) == CoreMetadata("one", "1", (), (), ">=3.10")


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


def test_metadata_of_a_wheel(tmp_path: Path) -> None:
    text = b"Name: some-lib\nAuthor: caf\xe9\n"
    wheel = archive(tmp_path / WHEEL, {"some_lib.py": b"", f"{INFO}/METADATA": text})
    assert read_wheel_metadata(wheel) == "Name: some-lib\nAuthor: caf\N{REPLACEMENT CHARACTER}\n"


@pytest.mark.parametrize(
    ("name", "members"),
    [
        (WHEEL, {}),
        (WHEEL, {f"{INFO}/WHEEL": b""}),
        (WHEEL, {"other-1.0.dist-info/METADATA": b""}),
        (WHEEL, {f"{INFO}/METADATA": b"", "other-1.0.dist-info/METADATA": b""}),
        ("some_lib.whl", {f"{INFO}/METADATA": b""}),
    ],
)
def test_wheels_without_metadata(tmp_path: Path, name: str, members: dict[str, bytes]) -> None:
    wheel = archive(tmp_path / name, members)
    with pytest.raises(BuildError, match=f"The wheel {name} has no METADATA that could be read: "):
        read_wheel_metadata(wheel)


@pytest.mark.parametrize("byte", range(0, 60, 3))
def test_damaged_wheels(tmp_path: Path, byte: int) -> None:
    wheel = archive(tmp_path / WHEEL, {f"{INFO}/METADATA": b"Name: some-lib\nVersion: 1.0\n" * 9})
    content = bytearray(wheel.read_bytes())
    start = content.index(b"METADATA") + len(b"METADATA")
    content[start : start + byte + 1] = b"\xff" * (byte + 1)
    wheel.write_bytes(content)
    with pytest.raises(BuildError, match="has no METADATA that could be read: "):
        read_wheel_metadata(wheel)


def test_record() -> None:
    text = 'a.py,sha256=x,1\n\n"b,\nc.py",,\n..\\d.py,,\n'
    assert parse_record(text) == [("a.py", "sha256=x"), ("b,\nc.py", ""), ("../d.py", "")]


@pytest.mark.parametrize("text", ["a.py\n", "a.py,,,\n", '"' + "x" * 200_000 + '",,\n'])
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected 3 elements|larger than field limit"):
        parse_record(text)


def test_the_hash_in_a_record() -> None:
    recorded, size = record_hash([b"some ", b"text"])
    assert str(recorded) == "sha256=uU9vElx546X_qoJvWEwQ1SraZp5nYgUbgmtVd20FrtI"
    assert size == 9


def test_scripts() -> None:
    text = "[console_scripts]\na = m:f\na = m:g [x]\n[other]\nb = m\n[gui_scripts]\nC =\n  m:h\n"
    assert parse_scripts(text) == {"a": ("m:g [x]", False), "C": ("\nm:h", True)}
    assert parse_scripts("") == {}
    with pytest.raises(ValueError, match="no section headers"):
        parse_scripts("a = m:f\n")
