from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from interpreters import MINORS, interpreter_or_skip
from windows_layer import deployment, run, tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("version", ["3.10.13", "3.12.1", "3.13.0", "3.14.0"])
@pytest.mark.parametrize("minor", MINORS)
def test_layer_becomes_ready(tmp_path: Path, minor: str, version: str) -> None:
    python = interpreter_or_skip(minor)
    layer = deployment(tmp_path / "some where \u00fc", version)
    before = tree(layer)
    assert run(layer, python=python) == f"Ready: {layer}\n"
    after = tree(layer)
    assert after.pop("Scripts/python.exe") == b"console"
    assert after.pop("Scripts/pythonw.exe") == b"no console"
    assert after.pop("pyvenv.cfg").decode() == (
        f"home = {layer.parent / 'rt'}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    assert after == before
