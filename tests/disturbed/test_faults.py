"""Builds that are killed, side by side, on full, read-only and damaged disks: the short form.

``hatch run faults`` is the long form, of the same proofs.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from disk_faults import bounded, full_disk, read_only
from disks import why_no_disks
from faults import at_once, damaged, killed, make_bench
from workplace import make_workplace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faults import Bench, Outcome
    from front_end import FrontEnds

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


@pytest.fixture(scope="module")
def bench(front_ends: FrontEnds, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    # The runtime is the same code, and takes the longest.
    layers = ("frameworks/fw", "apps/app")
    return make_bench(make_workplace(tmp_path_factory.mktemp("faults"), front_ends), layers)


@pytest.fixture
def random(request: pytest.FixtureRequest) -> Random:
    """The same faults in every run; the long form has others."""
    return Random(request.node.name)  # noqa: S311 (no secret)


def all_good(outcomes: Iterable[Outcome], at_least: int) -> list[Outcome]:
    seen = list(outcomes)
    bad = [str(outcome) for outcome in seen if not outcome.is_good]
    assert not bad, "\n".join(bad)
    assert len(seen) >= at_least
    return seen


def test_builds_that_are_killed(bench: Bench, random: Random) -> None:
    all_good(killed(bench, random, 6), 7)


def test_eight_builds_at_once_on_one_store(bench: Bench, random: Random) -> None:
    all_good(at_once(bench, random, 2), 2)


def test_a_disk_that_is_full(bench: Bench, random: Random) -> None:
    if why_no_disks():
        pytest.skip(why_no_disks())
    all_good(full_disk(bench, random, 4), 4)


def test_a_store_that_is_damaged(bench: Bench, random: Random) -> None:
    all_good(damaged(bench, random, 2), 2)


def test_a_store_that_is_read_only(bench: Bench, random: Random) -> None:
    if why_no_disks():
        pytest.skip(why_no_disks())
    all_good(read_only(bench, random, 3), 3)


def test_a_store_that_is_bounded(bench: Bench, random: Random) -> None:
    all_good(bounded(bench, random, 2), 2)
