from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from front_end import FrontEnds, make_front_ends

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test session share."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"


@pytest.fixture(scope="session")
def front_ends(shared_folder: Path) -> FrontEnds:
    """The real front ends, which find the plugin of this checkout."""
    return make_front_ends(shared_folder)


@pytest.fixture
def wheel_index(tmp_path: Path) -> Path:
    """A folder for wheels that a test makes up (:mod:`wheels`), for find-links.

    Its path is new, where ``tmp_path`` comes back in later sessions: uv keeps what it found in a
    folder by the folder's path and the wheel's name, whatever the wheel holds by then.
    """
    return tmp_path / uuid.uuid4().hex
