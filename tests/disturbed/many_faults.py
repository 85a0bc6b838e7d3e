"""Disturb many builds: the long form of ``test_faults.py``.

``hatch run faults --seed 7 --count 200`` kills 200 builds, and lets disks be full, store
entries be damaged, builds run at once and stores be read-only or small, in proportion. It prints
every fault after which something was wrong, and a table.
"""

# ruff: noqa: T201 (it is a program)
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from disk_faults import bounded, full_disk, read_only
from disks import why_no_disks
from faults import at_once, damaged, killed, make_bench
from front_end import make_front_ends
from workplace import make_workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from faults import Bench, Outcome

# The proofs, and how many faults of each there are for one hundred killed builds.
PROOFS: dict[str, tuple[int, Callable[[Bench, Random, int], Iterator[Outcome]]]] = {
    "killed": (100, killed),
    "at once": (10, partial(at_once, builds=8)),
    "full disk": (50, full_disk),
    "damaged store": (50, damaged),
    "read-only store": (5, read_only),
    "bounded store": (5, bounded),
}
NEED_DISKS = ("full disk", "read-only store")


def main(arguments: Sequence[str] | None = None) -> int:
    """Disturb as many builds as the command line says; whether something went wrong."""
    options = _options(arguments)
    print(f"Seed {options.seed}, {options.count} killed builds", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name).resolve()
        # What is said of the preparation is not wanted among the results.
        front_ends = make_front_ends(folder / "shared")
        bench = make_bench(make_workplace(folder / "stack", front_ends))
        rows = []
        for kind in options.only or PROOFS:
            per_hundred, proof = PROOFS[kind]
            count = max(1, options.count * per_hundred // 100)
            if kind in NEED_DISKS and why_no_disks():
                rows.append(f"{kind:<16} left out: {why_no_disks()}")
                continue
            start, outcomes = time.monotonic(), []
            # A kind can be tried again by itself: it has its own numbers.
            for outcome in proof(bench, Random(f"{options.seed} {kind}"), count):  # noqa: S311
                outcomes.append(outcome)
                if not outcome.is_good:
                    bad += 1
                    print(f"[{kind}] {outcome}", flush=True)
            rows.append(_row(kind, count, outcomes, time.monotonic() - start))
            print(rows[-1], flush=True)
    print(f"\n{'':<16}   faults    wrong     lost     left")
    print("\n".join(rows))
    return int(bool(bad))


def _row(kind: str, count: int, outcomes: Sequence[Outcome], seconds: float) -> str:
    sums = [
        sum(bool(found) for found in column)
        for column in zip(*((one.wrong, one.lost, one.left) for one in outcomes), strict=True)
    ]
    numbers = "".join(f"{number:9d}" for number in (count, *sums))
    noted = Counter(one.noted for one in outcomes if one.noted)
    said = "".join(f", {number} {name}" for name, number in sorted(noted.items()))
    return f"{kind:<16}{numbers}   {seconds:.0f} s{said}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    default = int.from_bytes(os.urandom(3), "big")
    parser.add_argument("--seed", type=int, default=default, help="for the random numbers")
    parser.add_argument("--count", type=int, default=200, help="the number of killed builds")
    parser.add_argument("--only", action="append", choices=[*PROOFS], help="this kind of fault")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
