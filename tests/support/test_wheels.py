from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    first, second = (
        make_wheel(
            tmp_path / folder, "a-b", "1", {"x.py": "1", "y.py": b"2"}, scripts={"run": "#!"}
        )
        for folder in ("one", "two")
    )
    assert first.name == "a_b-1-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()


def test_uv_installs_it_from_a_local_index(wheel_index: Path, tmp_path: Path) -> None:
    make_wheel(wheel_index, "lower", "1.0")
    make_wheel(wheel_index, "lower", "2.0")
    make_wheel(
        wheel_index,
        "Upper.One",
        "3",
        {"upper/__init__.py": "import lower\ndef main(): print(lower.__version__)\n"},
        requires=["lower<2"],
        entry_points="[console_scripts]\nupper = upper:main\n",
        scripts={"tool": b"#!/bin/sh\necho tool\n"},
        data={"data/share/upper.txt": "text"},
    )
    target = tmp_path / "environment"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, target], check=True)
    options = ["--offline", "--no-index", "--find-links", str(wheel_index), "--python", str(target)]
    subprocess.run([*uv, "pip", "install", "-q", *options, "upper-one"], check=True)
    scripts = target / ("Scripts" if sys.platform == "win32" else "bin")
    said = subprocess.run([scripts / "upper"], check=True, capture_output=True, text=True).stdout
    assert said == "1.0\n"
    assert (scripts / "tool").stat().st_mode & 0o100
    assert (target / "share/upper.txt").read_text() == "text"


def test_platform_wheel_says_its_tags(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "native", "1", tag="cp311-cp311-manylinux_2_17_x86_64.linux_x86_64"
    )
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("native-1.dist-info/WHEEL").decode()
    assert "Root-Is-Purelib: false" in text
    assert "Tag: cp311-cp311-linux_x86_64" in text
