from __future__ import annotations

import pytest

from hatch_venvstacks.common.errors import VenvLayerError
from hatch_venvstacks.model.layout import check_buildable, layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

WINDOWS = [name for name in PLATFORMS if name.startswith("win")]
POSIX = [name for name in PLATFORMS if not name.startswith("win")]
LINUX, WIN = (layout_of(PLATFORMS[name], "3.11") for name in ("linux_x86_64", "win_amd64"))


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
