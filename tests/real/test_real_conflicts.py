"""Conflicts with a layer below that people run into, with distributions of PyPI."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from monorepo import RUNTIME, Monorepo
from universe_check import make_machine

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

PLATFORMS = ["linux_x86_64", "macosx_arm64", "win_amd64"]


@pytest.mark.parametrize(
    ("held", "required", "expected", "newest"),
    [
        (
            "numpy>=2.2",
            ["pip", "numba==0.60.0"],
            (
                (
                    "its requirement `numba==0.60.0` -> numba 0.60.0 needs another numpy (alone it"
                    " takes 2.0.2) than 2."
                ),
                "which layer `base` holds",
                "No version does for all layers: those below require `numpy>=2.2` of `base`",
            ),
            (3, 12),
        ),
        (
            "urllib3",
            ["requests==2.28.2", "idna"],
            (
                "its requirement `requests==2.28.2` -> requests 2.28.2 needs another urllib3",
                (
                    "urllib3 1.26.20 would do for all layers: lock `base` again with"
                    " `urllib3==1.26.20`, then this layer"
                ),
            ),
            (3, 15),
        ),
        (
            "django>=5.1",
            ["wagtail==5.2.8", "django-debug-toolbar"],
            (
                "its requirement `wagtail==5.2.8` -> wagtail 5.2.8 needs another django",
                "those below require `django>=5.1` of `base`",
            ),
            (3, 13),
        ),
    ],
)
def test_conflict(
    tmp_path: Path,
    wheel_index: Path,
    front_ends: FrontEnds,
    held: str,
    required: list[str],
    expected: tuple[str, ...],
    newest: tuple[int, int],
) -> None:
    if sys.version_info[:2] > newest:
        pytest.skip("the packages of the conflict do not support this release of CPython")
    wheel_index.mkdir()
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    runtime = make_machine(tmp_path / "machine").runtime
    archives = {name: runtime.archives[name] for name in PLATFORMS}
    source = {name: {"url": one.url, "sha256": one.sha256} for name, one in archives.items()}
    repo.runtime(python=f"cpython@{runtime.version}", python_source=source, platforms=PLATFORMS)
    repo.layer("frameworks/base", dependencies=[held], base=[RUNTIME])
    repo.layer("frameworks/top", dependencies=required, base=["frameworks/base"])
    pypi = {"UV_DEFAULT_INDEX": os.environ.get("UV_DEFAULT_INDEX", "https://pypi.org/simple")}
    for folder in (RUNTIME, "frameworks/base"):
        repo.build(folder, "lock", env=pypi)
    failed = repo.build("frameworks/top", "lock", env=pypi, check=False)
    assert failed.returncode == 1
    for words in expected:
        assert words in failed.stderr
    assert "Traceback" not in failed.stderr
