from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from distribution_files import SITE, check_record, destination_for, files, handmade

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.contents.distribution import plan_distributions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_venvstacks.archives.plan import Plan


def plans_of(prefix: Path, alone: Mapping[str, Path] | None = None) -> dict[str, Plan]:
    plans = plan_distributions(prefix, destination_for(), lambda name: (alone or {})[name])
    return {plan.name: plan for plan in plans}


def test_files_that_record_forgets_are_packed(tmp_path: Path) -> None:
    both, one, two = (tmp_path / name for name in ("both", "one", "two"))
    for prefix in (both, one):
        handmade(prefix, "one", "one/a.py,,\n", **{"one/a.py": "a", "one/sub/b.py": "b"})
    for prefix in (both, two):
        # It is nearer to the files of the other one.
        handmade(prefix, "two", "two/a.py,,\n", **{"two/a.py": "a", "one/sub/c.py": "c"})
    found = plans_of(both, {"one": one, "two": two})
    assert f"{SITE}/one/sub/b.py" in files(found["one"])
    assert f"{SITE}/one/sub/c.py" in files(found["two"])
    assert f"{SITE}/one-1.0.dist-info/METADATA" in files(found["one"])
    for name, plan in found.items():
        check_record(plan, name)


def test_record_with_lines_for_nothing(tmp_path: Path) -> None:
    record = 'gone.py,sha256=xyz,1\n\n"with,comma.py",,\nsub/../plain.py,,\n..,,\n,,\n'
    handmade(tmp_path, "one", record, **{"with,comma.py": "", "plain.py": "1"})
    plan = plans_of(tmp_path)["one"]
    assert f"{SITE}/gone.py" not in files(plan)
    assert {f"{SITE}/with,comma.py", f"{SITE}/plain.py"} <= set(files(plan))
    check_record(plan, "one")


def test_record_escapes_odd_names(tmp_path: Path) -> None:
    names = ['quo"te.py', "com,ma.py", "new\nline.py", "ünï.py", " space.py", "back\\slash.py"]
    handmade(tmp_path, "one", "", **dict.fromkeys(names, "x"))
    plan = plans_of(tmp_path)["one"]
    assert {f"{SITE}/{name}" for name in names} <= set(files(plan))
    text = files(plan)[f"{SITE}/one-1.0.dist-info/RECORD"].decode()
    rows = {row[0] for row in csv.reader(text.splitlines(keepends=True))}
    assert set(names) <= rows


def test_record_claims_a_file_that_another_ships(tmp_path: Path) -> None:
    both, one, two = (tmp_path / name for name in ("both", "one", "two"))
    for prefix in (both, one):
        handmade(prefix, "one", "shared.py,,\n")
    for prefix in (both, two):
        handmade(prefix, "two", "shared.py,,\n", **{"shared.py": "2"})
    found = plans_of(both, {"one": one, "two": two})
    assert f"{SITE}/shared.py" not in files(found["one"])
    assert files(found["two"])[f"{SITE}/shared.py"] == b"2"


def test_forgotten_file_beside_distributions_that_share_another(tmp_path: Path) -> None:
    both, one, two = (tmp_path / name for name in ("both", "one", "two"))
    for prefix in (both, one):
        handmade(prefix, "one", "shared.py,,\n", **{"shared.py": ""})
    for prefix in (both, two):
        handmade(prefix, "two", "shared.py,,\n", **{"shared.py": "", "forgotten.py": "f"})
    found = plans_of(both, {"one": one, "two": two})
    owners = [name for name, plan in found.items() if f"{SITE}/forgotten.py" in files(plan)]
    assert len(owners) == 1


@pytest.mark.parametrize("name", ["shared.py", "space/__init__.py"])
def test_records_claim_a_file_that_a_third_ships(tmp_path: Path, name: str) -> None:
    every, alone = tmp_path / "every", {one: tmp_path / one for one in ("one", "two", "three")}
    for one in ("one", "two"):
        for prefix in (every, alone[one]):
            handmade(prefix, one, f"{name},,\n")
    for prefix in (every, alone["three"]):
        handmade(prefix, "three", "", **{name: ""})
    found = plans_of(every, alone)
    assert len([1 for plan in found.values() if f"{SITE}/{name}" in files(plan)]) == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("METADATA", None),
        ("RECORD", None),
        ("METADATA", b"Version: 1.0\n"),
        ("METADATA", b"Name: one\n"),
        ("METADATA", b""),
        ("RECORD", b"caf\xe9.py,,\n"),
        ("RECORD", b'"' + b"x" * 200_000 + b",,\n"),
        ("RECORD", b"one.py\n"),
        ("entry_points.txt", b"[console_scripts]\ncaf\xe9 = m:f\n"),
        ("entry_points.txt", b"[console_scripts]\nbroken\n"),
    ],
)
def test_broken_metadata(tmp_path: Path, file: str, content: bytes | None) -> None:
    info = handmade(tmp_path, "one", "")
    (info / file).unlink(missing_ok=True)
    if content is not None:
        (info / file).write_bytes(content)
    with pytest.raises(BuildError, match="one"):
        plans_of(tmp_path)


def test_prefix_without_distributions(tmp_path: Path) -> None:
    assert plans_of(tmp_path) == {}
    (tmp_path / ".lock").touch()
    (tmp_path / "stray.txt").touch()
    with pytest.raises(BuildError, match=r"stray\.txt"):
        plans_of(tmp_path)
