"""Builds on disks that are full, read-only, and with a store that is bounded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from disks import disk, make_read_only, peak, resize
from faults import SIZE_VARIABLE, Outcome, debris, store_files
from workplace import TEXTS, difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from faults import Bench

ROOMY = 2**30
# What an error takes at most: ours, and what uv said.
_LINES = 15
# Where a build writes.
PLACES = ("cache", "dist", "temporary", "uv")


def full_disk(bench: Bench, random: Random, count: int) -> Iterator[Outcome]:
    """Let the disk below one of :data:`PLACES` be full, at ``count`` moments in all."""
    bench.place.edit(TEXTS[0])
    needed: dict[tuple[str, str], int] = {}
    for number in range(count):
        layer, name = random.choice(bench.layers), PLACES[number % len(PLACES)]
        bench.place.clear([layer])
        if random.random() < 0.5:
            shutil.rmtree(bench.place.store, ignore_errors=True)
        one, folder = _on_a_disk(bench, layer, name)
        if (layer, name) not in needed:
            with disk(folder, ROOMY), peak(folder) as used:
                code, said = one.place.build(layer)
                assert code == 0, said
                one.place.clear([layer])
            needed[layer, name] = used[-1]
        # Half of them fail late, where most is at stake.
        part = random.choice((random.uniform(0, 1), random.uniform(0.8, 1.1)))
        with disk(folder, ROOMY):
            yield _fill(one, layer, name, folder, int(part * needed[layer, name]))
    bench.place.clear()
    yield Outcome("after full disks", left=debris(bench.place))


def _on_a_disk(bench: Bench, layer: str, name: str) -> tuple[Bench, Path]:
    """The bench with one of its places where a disk is mounted, and that folder."""
    mount = bench.place.folder / "disk"
    if name == "dist":
        return bench, bench.place.root / layer / "dist"
    place = bench.place
    moved = {
        "cache": replace(place, store=mount),
        "temporary": replace(place, temporary=mount),
        "uv": replace(place, uv_cache=mount),
    }
    return replace(bench, place=moved[name]), mount


def _fill(bench: Bench, layer: str, name: str, folder: Path, size: int) -> Outcome:
    resize(folder, max(4096, size))
    code, said = bench.place.build(layer)
    wrong: list[str] = []
    if code == 0:
        wrong += difference(bench.place.published(layer), bench.expected[layer][0])
    else:
        wrong += bench.halves(layer)
        if "Traceback" in said or len(said.splitlines()) > _LINES or not said.strip():
            wrong.append(f"not a few lines that say what is wrong:\n{said}")
    lost = bench.lost(0)
    resize(folder, ROOMY)
    wrong += bench.check(layer, 0)
    noted = "refused" if code else "built all the same"
    return Outcome(f"{layer}: {size / 1e6:.2f} MB for {name}", (*wrong,), (*lost,), noted=noted)


def read_only(bench: Bench, random: Random, count: int) -> Iterator[Outcome]:
    """Let the store be on a disk that nobody can write to, with more or less in it."""
    mount = bench.place.folder / "disk"
    bench.place.edit(TEXTS[0])
    one = replace(bench, place=replace(bench.place, store=mount))
    for number in range(count):
        with disk(mount, ROOMY):
            held = bench.layers[: number % (len(bench.layers) + 1)]
            for layer in held:
                one.place.clear([layer])
                one.place.build(layer)
            for path in store_files(mount) if number > len(bench.layers) else ():
                if random.random() < 0.5:
                    path.unlink()
            make_read_only(mount)
            one.place.clear()
            wrong = [line for layer in bench.layers for line in one.check(layer, 0)]
            yield Outcome(f"read-only store with {', '.join(held) or 'nothing'}", (*wrong,))
    yield Outcome("after read-only stores", left=debris(bench.place))


def bounded(bench: Bench, random: Random, count: int) -> Iterator[Outcome]:
    """Let the store be bounded, down to nothing at all."""
    place = bench.place
    place.edit(TEXTS[0])
    for number in range(count):
        if random.random() < 0.3:
            shutil.rmtree(place.store, ignore_errors=True)
        bound = 0 if number == 0 else int(10 ** random.uniform(0, 8))
        wrong, left = [], []
        for layer in bench.layers:
            place.clear([layer])
            wrong += bench.check(layer, 0, {SIZE_VARIABLE: str(bound)})
            size = size_of(place.store)
            if size > bound:
                left.append(f"{size} bytes in the store after {layer}")
        yield Outcome(f"store of at most {bound} bytes", (*wrong,), left=(*left,))


def size_of(store: Path) -> int:
    """The size of what the store holds in bytes, without runtimes: builds may be running these."""
    files = [path for path in store_files(store) if path.relative_to(store).parts[0] != "runtimes"]
    return sum(path.stat().st_size for path in files)
