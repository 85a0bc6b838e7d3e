from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds


@pytest.fixture(scope="session")
def plugin_wheel(front_ends: FrontEnds) -> Path:
    """A folder with a wheel of the plugin, built for this session."""
    return front_ends.wheels
