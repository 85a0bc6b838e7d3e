from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hatch_venvstacks.archives.member_paths import LONGEST_PATH, check_names
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.common.errors import BuildError, VenvLayerError
from hatch_venvstacks.model.layout import check_buildable, layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

WINDOWS = [name for name in PLATFORMS if name.startswith("win")]
POSIX = [name for name in PLATFORMS if not name.startswith("win")]
LINUX, WIN = (layout_of(PLATFORMS[name], "3.11") for name in ("linux_x86_64", "win_amd64"))


@dataclass
class Warnings:
    warnings: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        raise AssertionError(message)

    debug = info

    def warning(self, message: str) -> None:
        self.warnings.append(message)


@pytest.mark.parametrize("name", POSIX)
def test_posix(name: str) -> None:
    layout = layout_of(PLATFORMS[name], "3.12")
    assert layout.site_packages == "lib/python3.12/site-packages"
    assert layout.program("x") == "bin/x"
    assert (layout.runtime_python, layout.layer_python) == ("bin/python3.12", "bin/python")
    assert (layout.postinstall, layout.is_windows) == ("", False)


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    layout = layout_of(PLATFORMS[name], "3.12")
    assert layout.site_packages == "Lib/site-packages"
    assert layout.program("x") == "Scripts/x.exe"
    assert (layout.runtime_python, layout.layer_python) == ("python.exe", "Scripts/python.exe")
    assert (layout.postinstall, layout.is_windows) == ("postinstall.py", True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lib/python3.11/site-packages/a/b.py", "Lib/site-packages/a/b.py"),
        ("lib/python3.10/site-packages/a.py", "lib/python3.10/site-packages/a.py"),
        ("lib/python3.11/site-packages-x/a.py", "lib/python3.11/site-packages-x/a.py"),
        ("bin/tool", "Scripts/tool"),
        ("bin/sub/tool", "Scripts/sub/tool"),
        ("binary/tool", "binary/tool"),
        ("include/site/python3.11/one/a.h", "Include/one/a.h"),
        ("include/a.h", "include/a.h"),
        ("share/doc/bin/x", "share/doc/bin/x"),
    ],
)
def test_mapped(path: str, expected: str) -> None:
    assert WIN.mapped(path, LINUX) == expected
    assert LINUX.mapped(path, LINUX) == path
    assert LINUX.mapped(expected, WIN) == path


def test_data_files_keep_their_folder() -> None:
    assert WIN.mapped("bin/data.dll", LINUX, executable=False) == "bin/data.dll"
    assert WIN.mapped("Scripts/x", WIN, executable=False) == "Scripts/x"


def test_what_can_be_built_where() -> None:
    for host in PLATFORMS.values():
        for platform in PLATFORMS.values():
            if host.name in WINDOWS and platform.name in POSIX:
                with pytest.raises(VenvLayerError, match=platform.name) as caught:
                    check_buildable(host, platform)
                assert caught.value.hint
            else:
                check_buildable(host, platform)


def plan(name: str, *paths: str, kind: PlanKind = PlanKind.DISTRIBUTION) -> Plan:
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
    plans = plan("one", first), plan("two", second)
    if platform.startswith("linux"):
        assert check(platform, *plans) == []
        return
    with pytest.raises(BuildError) as caught:
        check(platform, *plans)
    for words in ("`one`", "`two`", platform):
        assert words in caught.value.message
    runtime = plan("cpython", first, kind=PlanKind.RUNTIME)
    with pytest.raises(BuildError, match="the runtime"):
        check(platform, runtime, plan("two", second))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_names_that_do_not_meet(platform: str) -> None:
    site = layout_of(PLATFORMS[platform], "3.11").site_packages
    one = plan("one", "Include/a.h", f"{site}/x/a.py", f"{site}/x/b.py", f"{site}/X.py")
    assert check(platform, one, plan("two", "include/b.h", f"{site}/x/c.py")) == []


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
        assert check(platform, plan("one", path)) == []
    with pytest.raises(BuildError) as caught:
        check("win_amd64", plan("one", path))
    assert caught.value.message.startswith("`one`")
    assert path in caught.value.message


@pytest.mark.parametrize(
    "name", ["auxiliary.py", "a.aux", "com.py", "com10", "console", ".nul", "a b.c", "ü", "$x"]
)
def test_names_that_windows_can_hold(name: str) -> None:
    assert check("win_arm64", plan("one", name)) == []


@pytest.mark.parametrize("path", ["Scripts/python.exe", "scripts/PythonW.exe", "pyvenv.cfg"])
def test_names_that_postinstall_writes(path: str) -> None:
    with pytest.raises(BuildError, match=r"`one` has .*postinstall\.py` writes"):
        check("win_amd64", plan("one", path))
    runtime = plan("cpython", "python.exe", kind=PlanKind.RUNTIME)
    assert check("win_amd64", runtime, plan("one", path)) == []
    assert check("macosx_arm64", plan("one", path)) == []


def test_long_paths() -> None:
    fits, long, longer = ("x" * (LONGEST_PATH + more) for more in (0, 1, 2))
    assert check("win_amd64", plan("one", fits)) == []
    assert check("macosx_arm64", plan("one", longer)) == []
    (said,) = check("win_amd64", plan("one", fits, long))
    assert "`one` has a path of 201 characters; " in said
    assert said.endswith(long)
    (said,) = check("win_amd64", plan("one", long), plan("two", longer))
    assert "`two` has a path of 202 characters (and 1 more); " in said
