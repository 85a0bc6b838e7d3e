"""Builds that are disturbed: killed, side by side, with a damaged store (``disk_faults``: disks).

Each function yields what came of one fault after the other. The next undisturbed build must give
the same bytes as a build that was never disturbed, and nothing may pile up. Everything goes through
the front end: nothing here knows how the cache is made.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from disks import damages
from workplace import EDITED, LAYERS, TEXTS, Files, difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from random import Random

    from workplace import Workplace

SIZE_VARIABLE = "HATCH_VENVLAYER_CACHE_SIZE"
CROWDS = (
    "one layer",
    "different layers",
    "one layer of one checkout",
    "different layers of one checkout",
    "one layer, and nothing is kept",
    "different layers, and nothing is kept",
)


@dataclass(frozen=True)
class Outcome:
    """What came of one ``fault``.

    ``wrong`` are archives and metadata that are not as they must be, and builds that failed though
    they should not; ``lost`` is what was there whole before the fault and is not any more;
    ``left`` is what was not cleared away; ``noted`` is worth counting, and no fault.
    """

    fault: str
    wrong: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    noted: str = ""

    @property
    def is_good(self) -> bool:
        return not (self.wrong or self.lost or self.left)

    def __str__(self) -> str:
        said = {"wrong": self.wrong, "lost": self.lost, "left": self.left}
        lines = [f"  {word}: {line}" for word, lines in said.items() for line in lines]
        return "\n".join([self.fault, *lines])


@dataclass(frozen=True)
class Bench:
    """A workplace, which of its layers are disturbed, and what they must be.

    ``expected`` maps layers to their files for each of the two texts of the application's module;
    ``seconds`` says how long an undisturbed build takes, by layer and state of the store.
    """

    place: Workplace
    layers: tuple[str, ...]
    expected: Mapping[str, tuple[Files, Files]]
    seconds: Mapping[tuple[str, str], float]
    sources: Files = field(repr=False)

    def check(self, layer: str, text: int, env: Mapping[str, str] | None = None) -> list[str]:
        """Build ``layer`` undisturbed; what is wrong with it."""
        code, said = self.place.build(layer, env)
        if code:
            return [f"{layer}: exit code {code} of an undisturbed build\n{said}"]
        return [*difference(self.place.published(layer), self.expected[layer][text])]

    def halves(self, layer: str) -> list[str]:
        """Files of ``layer`` that are not what any build would make."""
        whole = [expected.items() for expected in self.expected[layer]]
        return [
            f"{name}: neither the old file nor the new one"
            for name, data in self.place.published(layer).items()
            if not any((name, data) in items for items in whole)
        ]

    def lost(self, text: int) -> list[str]:
        """What has become of the sources and the locks."""
        return [*difference(self.place.sources(), {**self.sources, EDITED: TEXTS[text].encode()})]


def make_bench(place: Workplace, layers: tuple[str, ...] = LAYERS) -> Bench:
    """Lock the stack, and build it undisturbed; ``layers`` are those that are to be disturbed."""
    place.edit(TEXTS[1])
    for layer in LAYERS:
        code, said = place.build(layer, version="lock")
        assert code == 0, said
    shutil.rmtree(place.store)
    expected: dict[str, list[Files]] = {layer: [] for layer in LAYERS}
    seconds = {}
    for state, built in (("empty", LAYERS), ("warm", layers)):
        for layer in built:
            start = time.monotonic()
            code, said = place.build(layer)
            seconds[layer, state] = time.monotonic() - start
            assert code == 0, said
            expected[layer].insert(0, place.published(layer))
        place.clear()
        place.edit(TEXTS[0])
    # Only the application has two states.
    both = {layer: (found[0], found[-1]) for layer, found in expected.items()}
    return Bench(place, layers, both, seconds, place.sources())


def killed(bench: Bench, random: Random, count: int) -> Iterator[Outcome]:
    """Kill ``count`` builds at any moment, and build again. What is left in the end comes last."""
    place, done = bench.place, 0
    while done < count:
        layer = random.choice(bench.layers)
        state = random.choice(("empty", "warm", "half-warm"))
        text = random.randrange(2)
        before = random.choice(("nothing", "this archive", "the archive before"))
        _prepare(bench, random, layer, state, text, before)
        limit = bench.seconds[layer, "warm" if state == "warm" else "empty"]
        moment = random.uniform(0, limit)
        if not _kill(place, layer, moment):
            continue
        done += 1
        halves, lost = bench.halves(layer), bench.lost(text)
        wrong = bench.check(layer, text)
        yield Outcome(
            f"{layer} killed after {moment:.3f} of {limit:.3f} s, store {state}, {before} there",
            (*halves, *wrong),
            (*lost, *bench.lost(text)),
        )
    place.edit(TEXTS[0])
    wrong = [line for layer in bench.layers for line in bench.check(layer, 0)]
    yield Outcome("one more build of each layer", (*wrong,), left=debris(place))


def _prepare(bench: Bench, random: Random, layer: str, state: str, text: int, before: str) -> None:
    place = bench.place
    if before == "nothing":
        place.clear([layer])
    else:
        place.edit(TEXTS[text if before == "this archive" else 1 - text])
        place.build(layer)
    place.edit(TEXTS[text])
    if state == "empty":
        shutil.rmtree(place.store, ignore_errors=True)
    elif state == "half-warm":
        for path in store_files(place.store):
            if random.random() < 0.5:
                path.unlink()


def _kill(place: Workplace, layer: str, moment: float) -> bool:
    process = place.start(layer)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def debris(place: Workplace) -> tuple[str, ...]:
    """What lies about though no build runs, in the cache, among the archives and in ``TMPDIR``.

    The latter is emptied, so that each proof finds its own.
    """
    found = (*_debris(place),)
    shutil.rmtree(place.temporary, ignore_errors=True)
    return found


def _debris(place: Workplace) -> Iterator[str]:
    for path in sorted(place.store.glob("work/*")):
        yield f"in the cache: {path.relative_to(place.store)}"
    for path in sorted(place.store.rglob("*")):
        if path.name.endswith((".part", ".tmp")) or path.name.startswith("tmp"):
            yield f"in the cache: {path.relative_to(place.store)}"
    for layer in LAYERS:
        for path in sorted(place.output(layer).glob(".*")):
            yield f"beside the archives: {layer} {path.name}"
    for path in sorted(place.temporary.glob("*")):
        inside = sorted(str(one.relative_to(path)) for one in path.rglob("*"))
        yield f"in TMPDIR: {path.name} {inside[:5]}"


def store_files(store: Path) -> list[Path]:
    """All files of the cache but its locks, which hold nothing."""
    return [
        path
        for path in sorted(store.rglob("*"))
        if path.suffix != ".lock" and path.is_file() and not path.is_symlink()
    ]


def at_once(bench: Bench, random: Random, count: int, builds: int = 8) -> Iterator[Outcome]:
    """``builds`` builds at once on one store, in each of :data:`CROWDS`."""
    bench.place.edit(TEXTS[0])
    names = [f"at-once-{number}" for number in range(builds)]
    benches = [replace(bench, place=bench.place.other(name)) for name in names]
    for number in range(count):
        crowd = CROWDS[number % len(CROWDS)]
        same = random.choice(bench.layers)
        layers = [same if "one layer" in crowd else random.choice(bench.layers) for _ in benches]
        places = [benches[0] if "one checkout" in crowd else one for one in benches]
        # Whoever is ready removes what the others may be about to read.
        env = {SIZE_VARIABLE: "0"} if "nothing is kept" in crowd else {}
        if random.random() < 0.5:
            shutil.rmtree(bench.place.store, ignore_errors=True)
        for one in benches:
            one.place.clear()
        wrong = _crowd(places, layers, env, random)
        yield Outcome(f"{builds} builds at once, {crowd}: {', '.join(layers)}", (*wrong,))
    for name in names:
        shutil.rmtree(bench.place.folder / name)
    yield Outcome("after builds at once", left=debris(bench.place))


def _crowd(
    benches: list[Bench], layers: list[str], env: Mapping[str, str], random: Random
) -> Iterator[str]:
    """What is wrong with builds of ``layers`` that run at once, each at one of ``benches``."""
    running = []
    for one, layer in zip(benches, layers, strict=True):
        running.append(one.place.start(layer, env))
        time.sleep(random.choice((0, 0.1)))
    for layer, process in zip(layers, running, strict=True):
        said, _ = process.communicate()
        if process.returncode:
            yield f"{layer}: exit code {process.returncode}\n{said}"
    built = {(one.place.root, layer): one for one, layer in zip(benches, layers, strict=True)}
    for (_, layer), one in built.items():
        yield from difference(one.place.published(layer), one.expected[layer][0])


def damaged(bench: Bench, random: Random, count: int) -> Iterator[Outcome]:
    """Damage the files of the store at random, one or several before each build of the stack."""
    place, ways = bench.place, damages()
    place.edit(TEXTS[0])
    shutil.rmtree(place.store, ignore_errors=True)
    # What no build uses is not looked at, and stays damaged.
    place.clear()
    for layer in bench.layers:
        place.build(layer)
    whole = {path: path.read_bytes() for path in store_files(place.store)}
    for number in range(count):
        files = store_files(place.store)
        done = []
        for path in random.sample(files, min(len(files), random.choice((1, 1, 3, 30)))):
            way = random.choice([*ways])
            ways[way](path, random)
            done.append((path, way))
        place.clear()
        wrong = [line for layer in bench.layers for line in bench.check(layer, 0)]
        left = [
            f"{path.relative_to(place.store)}, {way}, is still not what it was"
            for path, way in done
            if path in whole and _is_broken(path, whole[path])
        ]
        names = ", ".join(f"{path.relative_to(place.store)} {way}" for path, way in done[:3])
        yield Outcome(f"{number}: {len(done)} files damaged: {names}", (*wrong,), left=(*left,))


def _is_broken(path: Path, content: bytes) -> bool:
    # A file that is gone does no harm: not every build needs every entry.
    return (
        path.is_symlink()
        or (path.exists() and not path.is_file())
        or (path.is_file() and path.read_bytes() != content)
    )
