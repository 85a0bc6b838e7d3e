from __future__ import annotations

import pytest

from hatch_venvstacks.common import errors
from hatch_venvstacks.common.errors import LockError, StaleLockError, VenvLayerError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_caught_by_the_root(kind: type[VenvLayerError]) -> None:
    error = kind("message", hint="hint", detail="detail")
    assert isinstance(error, VenvLayerError)
    assert (error.message, error.hint, error.detail) == ("message", "hint", "detail")
    assert str(error) == "message\ndetail\nhint"
    assert error.args == ("message",)


def test_empty_parts_leave_no_lines() -> None:
    assert str(VenvLayerError("message")) == "message"
    assert str(VenvLayerError("message", hint="hint")) == "message\nhint"


def test_stale_is_a_lock_error() -> None:
    assert issubclass(StaleLockError, LockError)
