from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from members import plan

from hatch_venvstacks.archives.member_paths import (
    LONGEST_PATH,
    check_names,
    check_no_links,
    check_paths,
)
from hatch_venvstacks.archives.plan import (
    Member,
    Plan,
    PlanKind,
)
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

POSIX = [name for name in PLATFORMS if not name.startswith("win")]


@dataclass
class Warnings:
    warnings: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        raise AssertionError(message)

    debug = info

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def files_of(name: str, *paths: str, kind: PlanKind = PlanKind.DISTRIBUTION) -> Plan:
    return Plan(kind, name, "1", tuple(Member(path, b"") for path in paths))


def check(platform: str, *plans: Plan) -> list[str]:
    target, said = PLATFORMS[platform], Warnings()
    check_names(plans, target, layout_of(target, "3.11"), said)
    return said.warnings


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("share/a.txt", "share/A.txt"),
        ("share/a/x", "Share/A/X"),
        ("{site}/crypto/a.py", "{site}/Crypto/b.py"),
        ("{site}/one/two/a.py", "{site}/one/Two/b.py"),
        ("share/\u00fc", "share/U\u0308"),
    ],
)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_names_that_differ_in_case(platform: str, first: str, second: str) -> None:
    site = layout_of(PLATFORMS[platform], "3.11").site_packages
    first, second = first.format(site=site), second.format(site=site)
    plans = files_of("one", first), files_of("two", second)
    if PLATFORMS[platform].sys_platform == "linux":
        assert check(platform, *plans) == []
        return
    with pytest.raises(BuildError) as caught:
        check(platform, *plans)
    for words in ("`one`", "`two`", platform):
        assert words in caught.value.message
    runtime = files_of("cpython", first, kind=PlanKind.RUNTIME)
    with pytest.raises(BuildError, match="the runtime"):
        check(platform, runtime, files_of("two", second))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_names_that_do_not_meet(platform: str) -> None:
    site = layout_of(PLATFORMS[platform], "3.11").site_packages
    one = files_of("one", "Include/a.h", f"{site}/x/a.py", f"{site}/x/b.py", f"{site}/X.py")
    assert check(platform, one, files_of("two", "include/b.h", f"{site}/x/c.py")) == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "aux.py",
            "AUX",
            "con",
            "nul.tar.gz",
            "Com1.txt",
            "lpt9",
            "com\u00b9",
            "conout$",
            "prn .x",
        ),
        *("a:b", "a?", "a*", 'a"', "<a", "a|b", "back\\slash", "tab\t", "a.", "a "),
    ],
)
@pytest.mark.parametrize("path", ["share/{}", "share/{}/x.py", "{}"])
def test_names_that_windows_cannot_hold(name: str, path: str) -> None:
    path = path.format(name)
    for platform in POSIX:
        assert check(platform, files_of("one", path)) == []
    with pytest.raises(BuildError) as caught:
        check("win_amd64", files_of("one", path))
    assert caught.value.message.startswith("`one`")
    assert path in caught.value.message


@pytest.mark.parametrize(
    "name", ["auxiliary.py", "a.aux", "com.py", "com10", "console", ".nul", "a b.c", "ü", "$x"]
)
def test_names_that_windows_can_hold(name: str) -> None:
    assert check("win_arm64", files_of("one", name)) == []


@pytest.mark.parametrize("path", ["Scripts/python.exe", "scripts/PythonW.exe", "pyvenv.cfg"])
def test_names_that_postinstall_writes(path: str) -> None:
    with pytest.raises(BuildError, match=r"`one` has .*postinstall\.py` writes"):
        check("win_amd64", files_of("one", path))
    runtime = files_of("cpython", "python.exe", kind=PlanKind.RUNTIME)
    assert check("win_amd64", runtime, files_of("one", path)) == []
    assert check("macosx_arm64", files_of("one", path)) == []


def test_long_paths() -> None:
    fits, long, longer = ("x" * (LONGEST_PATH + more) for more in (0, 1, 2))
    assert check("win_amd64", files_of("one", fits)) == []
    assert check("macosx_arm64", files_of("one", longer)) == []
    (said,) = check("win_amd64", files_of("one", fits, long))
    assert "`one` has a path of 201 characters; " in said
    assert said.endswith(long)
    (said,) = check("win_amd64", files_of("one", long), files_of("two", longer))
    assert "`two` has a path of 202 characters (and 1 more); " in said


def test_paths_without_conflict() -> None:
    check_paths([])
    check_paths([plan(Member("a", b""), Member("b/c", b"")), plan(Member("b/d", b""))])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (plan(name="one"), plan(name="two"), "`one` and `two` both"),
        (plan(name="one"), plan(name="two", kind=PlanKind.PROJECT), "the project `two`"),
        (plan(name="one"), plan(name="two", kind=PlanKind.RUNTIME), "the runtime"),
        (plan(name="one"), plan(name="two", kind=PlanKind.WIRING), "the layer's own wiring"),
        (plan(name="same"), plan(name="same"), "`a/b`"),
    ],
)
def test_two_owners_of_a_path(first: Plan, second: Plan, expected: str) -> None:
    plans = [
        Plan(one.kind, one.name, "1", (Member(f"x{number}", b""), Member("a/b", b"")))
        for number, one in enumerate((first, second))
    ]
    with pytest.raises(BuildError) as caught:
        check_paths(plans)
    assert expected in caught.value.message
    assert "`a/b`" in caught.value.message


def test_path_twice_in_one_plan() -> None:
    with pytest.raises(BuildError, match="`a/b`"):
        check_paths([plan(Member("a/b", b"1"), Member("a/b", b"2"))])


@pytest.mark.parametrize("file", [Member("a/b", b""), Member("a/b", link="c")])
def test_file_where_another_has_a_folder(file: Member) -> None:
    for plans in (
        [plan(file, name="one"), plan(Member("a/b/c/d", b""), name="two")],
        [plan(Member("a/b/c/d", b""), name="two"), plan(file, name="one")],
    ):
        with pytest.raises(BuildError) as caught:
            check_paths(plans)
        assert "`one`" in caught.value.message
        assert "`two`" in caught.value.message


def test_links_are_not_for_windows() -> None:
    plans = [plan(Member("a"), Member("bin/x", b"1")), plan(Member("bin/y", link="x"))]
    check_no_links(plans[:1])
    with pytest.raises(BuildError) as caught:
        check_no_links(plans)
    assert "`bin/y` (to `x`)" in caught.value.message
    assert caught.value.hint
