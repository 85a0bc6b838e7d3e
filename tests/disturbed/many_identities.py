"""Build one stack under many circumstances: the long form of ``test_identity.py``.

``hatch run identities`` changes one circumstance at a time, then all of them, and prints
what had other bytes; ``--stack sci`` and ``--stack torch`` take the distributions of the stacks
that are measured (``benchmarks/stacks.py``).
"""

# ruff: noqa: T201, E402 (it is a program; where modules are found is said first)
from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path += [str(CHECKOUT / folder) for folder in ("scripts", "benchmarks", "tests/support")]

import stacks
from front_end import make_front_ends
from identity import (
    OTHERWISE,
    build,
    can_be_nobody,
    make_origin,
    not_served,
    one_by_one,
    warm_up,
    wrong_records,
)
from workplace import APP, MADE_UP, difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workplace import Files

KINDS = ("made-up", "sci", "torch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the stack again and again; whether something had other bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", choices=KINDS, default=KINDS[0], help="default: made-up")
    options = parser.parse_args(arguments)
    wheel = _torch_wheel() if options.stack == "torch" else None
    with tempfile.TemporaryDirectory(prefix="identities-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)  # for other users
        front_ends = make_front_ends(folder / "shared")
        layers, wheels = _layers(options.stack, wheel), [wheel] if wheel else []
        origin = make_origin(front_ends, folder / "made", layers=layers, wheels=wheels)
        usual = warm_up(origin, folder / "usual")
        size = sum(map(len, usual.values()))
        print(f"{len(usual)} files, {size / 1e6:.1f} MB", flush=True)
        if not can_be_nobody():
            print("Builds cannot be run as another user here: only HOME and USER are others")
        bad = 0
        everything = [OTHERWISE, replace(OTHERWISE, warm=False)]
        for number, how in enumerate([*one_by_one(), *everything]):
            place = folder / f"build-{number}"
            found = difference(build(origin, place, how), usual)
            shutil.rmtree(place)
            bad += bool(found)
            print(f"{how.name}: {', '.join(found) or 'the same'}", flush=True)
        wrong = _unpacked(usual, folder / "unpacked")
        print(f"unpacked: {', '.join(wrong[:5]) or 'as their RECORDs say'}")
        again = not_served(origin, folder / "later")
        print(f"packed again for other checkouts: {', '.join(again) or 'nothing of others'}")
    return int(bool(bad or wrong or again))


def _torch_wheel() -> Path:
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    wheel = stacks.find_torch(Path(folder) for folder in folders)
    if wheel is None:
        sys.exit("No wheel of torch for the CPU and this Python in the folders of PIP_FIND_LINKS")
    return wheel


def _layers(kind: str, wheel: Path | None) -> Mapping[str, Sequence[str]]:
    """What the layers of that stack require, as :func:`make_origin` takes it."""
    if kind == "made-up":
        return MADE_UP
    stack = stacks.torch(wheel) if wheel else stacks.sci()
    folders = [f"{'frameworks' if one.base else 'runtimes'}/{one.name}" for one in stack.layers]
    required = [one.requirements for one in stack.layers]
    return {**dict(zip(folders, required, strict=True)), APP: ()}


def _unpacked(files: Files, folder: Path) -> list[str]:
    folder.mkdir()
    wrong: list[str] = []
    for name, data in files.items():
        if not name.endswith(".json"):
            (folder / name).write_bytes(data)
            wrong += wrong_records(folder / name, folder / f"in-{name}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
