"""Build many generated stacks and compare them: the long form of ``test_differential.py``.

``hatch run stacks --seed 1000 --count 200`` prints the stacks that differ from one
environment, and how.
"""

# ruff: noqa: T201 (it is a program)
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from stack_check import Workshop, examine, make_workshop
from stack_generator import generate

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare as many stacks as the command line says; whether some of them differ."""
    options = _options(arguments)
    seeds = range(options.seed, options.seed + options.count)
    print(f"Stacks {seeds[0]} to {seeds[-1]}, {options.jobs} at a time", flush=True)
    start, failed = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="stacks-") as name:
        with redirect_stdout(StringIO()):
            workshop = make_workshop(Path(name))
        one = partial(_one, workshop=workshop, folder=Path(name))
        with ProcessPoolExecutor(options.jobs) as pool:
            for seed, fault in zip(seeds, pool.map(one, seeds), strict=True):
                if fault:
                    failed.append(seed)
                    print(fault, flush=True)
    print(f"{len(seeds)} stacks in {time.monotonic() - start:.0f} s")
    print(f"failed: {', '.join(map(str, failed)) or 'none'}")
    return int(bool(failed))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100, help="the number of stacks")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    return parser.parse_args(arguments)


def _one(seed: int, *, workshop: Workshop, folder: Path) -> str:
    """What differs in the stack of ``seed``."""
    stack = generate(seed)
    with tempfile.TemporaryDirectory(prefix=f"stack{seed}-", dir=folder) as own:
        try:
            # Without the commands that unpack archives.
            with redirect_stdout(StringIO()):
                examine(stack, workshop, Path(own))
        except AssertionError as error:
            return f"{stack}\n# seed {seed}\n{error}\n"
    return ""


if __name__ == "__main__":
    sys.exit(main())
