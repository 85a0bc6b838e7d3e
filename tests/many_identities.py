"""Build one stack under many circumstances: the long form of ``test_identity.py``.

``python tests/many_identities.py`` changes one circumstance at a time, then all of them, and prints
what had other bytes; with ``--real`` the stack is made of numpy and packaging, from PyPI.
"""

# ruff: noqa: T201 (it is a program)
from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))

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
from workplace import difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workplace import Files

REAL = (("numpy",), ("packaging",))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the stack again and again; whether something had other bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true", help="numpy and packaging, from PyPI")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="identities-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)  # for other users
        front_ends = make_front_ends(folder / "shared")
        origin = make_origin(front_ends, folder / "made", requirements=REAL if options.real else ())
        usual = warm_up(origin, folder / "usual")
        size = sum(map(len, usual.values()))
        print(f"{len(usual)} files, {size / 1e6:.1f} MB", flush=True)
        if not can_be_nobody():
            print("Builds cannot be run as another user here: only HOME and USER are others")
        bad = 0
        everything = [OTHERWISE, replace(OTHERWISE, warm=False)]
        for number, how in enumerate([*one_by_one(), *everything]):
            found = difference(build(origin, folder / f"build-{number}", how), usual)
            bad += bool(found)
            print(f"{how.name}: {', '.join(found) or 'the same'}", flush=True)
        wrong = _unpacked(usual, folder / "unpacked")
        print(f"unpacked: {', '.join(wrong[:5]) or 'as their RECORDs say'}")
        again = not_served(origin, folder / "later")
        print(f"packed again for other checkouts: {', '.join(again) or 'nothing of others'}")
    return int(bool(bad or wrong or again))


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
