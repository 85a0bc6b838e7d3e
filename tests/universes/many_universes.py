"""Lock and check many universes: the long form of ``test_universes.py``.

``hatch run universes --seed 1000 --count 200`` prints what it saw; ``--shrink`` makes each universe
that fails as small as it gets, which takes minutes.
"""

# ruff: noqa: T201 (it is a program)
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from universe_check import TOLD_APART, Machine, Tally, examine, make_machine
from universe_generator import generate
from universe_shrinker import shrink

from hatch_venvstacks.common.errors import VenvLayerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from universes import Universe


def main(arguments: Sequence[str] | None = None) -> int:
    """Check as many universes as the command line says; the number of those that fail."""
    options = _options(arguments)
    seeds = range(options.seed, options.seed + options.count)
    print(f"Universes {seeds[0]} to {seeds[-1]}, {options.jobs} at a time", flush=True)
    start, tally, failed = time.monotonic(), Tally(), []
    with tempfile.TemporaryDirectory(prefix="universes-") as name:
        folder = Path(name)
        machine = make_machine(folder / "machine")
        one = partial(_one, machine=machine, folder=folder, small=options.shrink)
        with ProcessPoolExecutor(options.jobs) as pool:
            for seed, (found, fault) in zip(seeds, pool.map(one, seeds), strict=True):
                tally += found
                if fault:
                    failed.append(seed)
                    print(fault, flush=True)
    print(f"{tally}; in {time.monotonic() - start:.0f} s")
    print(f"failed: {', '.join(map(str, failed)) or 'none'}")
    return int(bool(failed))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=200, help="the number of universes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--shrink", action="store_true", help="make those small that fail")
    return parser.parse_args(arguments)


def _one(seed: int, *, machine: Machine, folder: Path, small: bool) -> tuple[Tally, str]:
    """What was seen in the universe of ``seed``, and what is wrong with it."""
    universe = generate(seed, TOLD_APART, machine.python)
    try:
        return examine(universe, machine, folder), ""
    except (AssertionError, VenvLayerError) as error:
        if small:
            universe = shrink(universe, partial(_fails, machine=machine, folder=folder, like=error))
        return Tally(universes=1), f"{universe}\n# seed {seed}\n{error}\n"


def _fails(universe: Universe, *, machine: Machine, folder: Path, like: Exception) -> bool:
    """Whether the universe fails in the same way, by the words that are not about this one."""
    try:
        examine(universe, machine, folder)
    except (AssertionError, VenvLayerError) as error:
        return _way(error) == _way(like)
    except (KeyError, IndexError):  # a part that the rest cannot do without was taken away
        return False
    return False


def _way(error: Exception) -> str:
    """The words of the first line that are neither names nor versions."""
    words = str(error).partition("\n")[0].split()
    return " ".join(word for word in words if word.strip(",:").isalpha())


if __name__ == "__main__":
    sys.exit(main())
