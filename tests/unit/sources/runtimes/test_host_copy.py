from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.sources.runtimes.host_copy import _nowhere, _overwritten

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_venvstacks.sources.runtimes.host import HostPython

    Copies = Callable[[str], tuple[HostPython, Path]]


@pytest.mark.parametrize("length", range(4, 40))
def test_a_place_that_cannot_be(length: int) -> None:
    place = _nowhere(length)
    assert len(place) == length
    assert place.startswith(("/dev/null", "/proc", "/sys"))
    assert not os.path.lexists(f"{place}/python")


def test_a_prefix_keeps_its_length_and_its_tail() -> None:
    text = b"\0/opt/python/3.11.7\0-I/opt/python/3.11.7/include /opt/python/3.11.75"
    new = _overwritten(text, "/opt/python/3.11.7")
    assert len(new) == len(text)
    assert new == b"\0/dev/null/v/3.11.7\0-I/dev/null/v/3.11.7/include /opt/python/3.11.75"
    assert _overwritten(b"/usr/local/lib", "/usr/local") == b"/sys/local/lib"
    assert _overwritten(b"nothing", "/usr/local") == b"nothing"
