from __future__ import annotations

import pytest
from said import Said

from hatch_venvstacks.common.reporter import Progress, in_units


def test_progress_is_said_now_and_then() -> None:
    said, times = Said(), iter([0.0, 1.0, 6.0, 6.0, 7.0, 12.0, 12.0])
    progress = Progress(said, "Packing a.zip", 6_000_000, in_units, lambda: next(times))
    for _ in range(4):
        progress.add(1_000_000)
    assert said.lines == [
        "Packing a.zip: 2.0 MB of 6.0 MB",
        "Packing a.zip: 4.0 MB of 6.0 MB",
    ]


def test_the_end_is_not_said() -> None:
    said, times = Said(), iter([0.0, 100.0])
    Progress(said, "Compiling", 1, clock=lambda: next(times)).add(1)
    assert said.lines == []


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (1_500_000, "1.5 MB"),
        (3_000_000_000, "3.0 GB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)
def test_units(size: int | None, expected: str) -> None:
    assert in_units(size) == expected
