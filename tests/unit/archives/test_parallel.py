from __future__ import annotations

import sys
import threading
import time
from functools import partial

import pytest

from hatch_venvstacks.archives import parallel
from hatch_venvstacks.archives.parallel import cores, run_on_all_cores


def test_results_come_in_the_order_of_the_tasks() -> None:
    def late(number: int) -> int:
        time.sleep((5 - number) / 100)
        return number

    assert run_on_all_cores(partial(late, number) for number in range(5)) == (0, 1, 2, 3, 4)
    assert run_on_all_cores([]) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell")
def test_only_cores_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 7})
    assert cores() == 3


def test_several_cores_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    both = threading.Barrier(2, timeout=30)
    assert sorted(run_on_all_cores([both.wait, both.wait])) == [0, 1]


def test_nothing_new_begins_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    begun = []

    def fails(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise ValueError("first")
        # Time for the error to be noticed.
        time.sleep(0.2)

    with pytest.raises(ValueError, match="first"):
        run_on_all_cores(partial(fails, number) for number in range(50))
    assert len(begun) < 50
