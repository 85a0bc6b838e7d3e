"""Measure this project and its peers on the same stacks: ``hatch run bench``.

Each step is run several times, ours and theirs in turn. See docs/how-to/measure.md.
"""

from __future__ import annotations

# ruff: noqa: E402 (where modules are found is said first)
import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

CHECKOUT = Path(__file__).resolve().parents[1]
# Made-up wheels, and archives that stand in for downloads, are made as for the tests.
sys.path.append(str(CHECKOUT / "tests/support"))

import peer as peers
import stacks
import steps
import table
from measure import CommandError
from ours import HAS_BYTECODE, Ours, clean_environment
from results import Sample, versions
from standins import make_runtime

from hatch_venvstacks.common.errors import VenvLayerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stacks import Stack
    from standins import Runtime

KINDS = ("sci", "torch", "generated", "changing")


@dataclass
class Report:
    """What has been measured so far; it is written after every step."""

    versions: Mapping[str, str]
    layers: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    pins: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        outcomes = table.outcomes(self.samples, self.layers)
        return {
            "format": 1,
            "versions": self.versions,
            "layers": self.layers,
            "samples": [sample.as_json() for sample in self.samples],
            "targets": [{**asdict(one), "met": one.met} for one in outcomes],
            "skipped": self.skipped,
            "pins": self.pins,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Report:
        samples = [Sample.from_json(one) for one in values["samples"]]
        names = ("versions", "layers", "skipped", "pins")
        found = {name: values[name] for name in names}
        return cls(samples=samples, **found)

    def shown(self) -> str:
        """All of it for people, in Markdown."""
        parts = [
            "\n".join(f"- {name}: {value}" for name, value in self.versions.items()),
            table.figures(self.samples),
            table.targets(table.outcomes(self.samples, self.layers)),
        ]
        parts += [f"- not measured: {what}: {reason}" for what, reason in self.skipped.items()]
        parts += [
            f"- {stack}: the peer holds other versions: {found['different']}"
            for stack, found in self.pins.items()
            if found["different"]
        ]
        return "\n\n".join(part for part in parts if part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep what the command line says; 1 where a command failed."""
    options = _options(arguments)
    if options.show:
        report = Report.from_json(json.loads(options.show.read_text("utf-8")))
        print(report.shown())
        return 0
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        report = compare(options, work)
    except (CommandError, VenvLayerError, subprocess.CalledProcessError) as error:
        print(f"A command failed, nothing more was measured.\n{error}", file=sys.stderr)
        return 1
    print(report.shown())
    return 0


def compare(options: argparse.Namespace, work: Path) -> Report:
    """Prepare the stacks in the folder ``work``, then measure them round by round."""
    environment = clean_environment(CHECKOUT, work)
    runtime = make_runtime(work / "runtime")
    peer = None
    if options.peer_repeat:
        peer = peers.install_peer(work / "venvstacks", environment)
    report = Report(versions(CHECKOUT, peer))
    benches = [
        prepare(stack, work, runtime, peer, environment, report)
        for stack in chosen(options, work / "wheels", report)
    ]
    for number in range(max(options.repeat, options.peer_repeat)):
        for bench in benches:
            names = [name for name in steps.steps_of(bench.stack) if name in options.only]
            for name in names:
                if number < options.repeat and not (number and name in steps.ONCE):
                    with_peer = number < options.peer_repeat
                    run_step(name, bench if with_peer else without_peer(bench), number, report)
                    keep(report, options.json)
    return report


def run_step(name: str, bench: steps.Bench, number: int, report: Report) -> None:
    """Measure one step and say so."""
    try:
        for sample in steps.STEPS[name](bench):
            report.samples.append(replace(sample, number=number))
            usage = sample.usage
            told = f"{usage.wall:8.2f} s {usage.cpu:8.2f} CPU s {sample.size / 1e6:8.1f} MB"
            what = f"{sample.stack} {sample.step}"
            print(f"{number + 1}: {what:26}{sample.tool:22}{told} {sample.note}", file=sys.stderr)
    except steps.SkippedError as error:
        report.skipped[f"{bench.stack.name}, {name}"] = str(error)


def chosen(options: argparse.Namespace, wheels: Path, report: Report) -> Iterator[Stack]:
    """The stacks that were asked for, those left out that cannot be built here."""
    for kind in options.stack:
        if kind == "sci":
            yield stacks.sci()
        elif kind == "torch":
            wheel = stacks.find_torch(options.find_links)
            if wheel:
                yield stacks.torch(wheel)
            else:
                places = ", ".join(map(str, options.find_links)) or "no folder, see --find-links"
                reason = f"no wheel of torch for the CPU and this Python in: {places}"
                report.skipped[kind] = reason
        elif kind == "generated":
            yield from (stacks.generated(count, wheels) for count in options.frameworks)
        else:
            for count, changed in stacks.CHANGED.items():
                yield stacks.changing(count, max(changed), wheels)


def prepare(
    stack: Stack,
    work: Path,
    runtime: Runtime,
    python: Path | None,
    environment: Mapping[str, str],
    report: Report,
) -> steps.Bench:
    """Write and lock ``stack`` in the folder ``work``, and have its wheels in all caches."""
    print(f"Locking {stack.name}, and fetching its wheels", file=sys.stderr)
    folder = work / stack.name
    folder.mkdir(exist_ok=True)
    no_bytecode = {"bytecode": False} if HAS_BYTECODE else {}
    variants = {
        "shipped": {},
        "plain": {**no_bytecode, "compression-level": 9},
        "small": {**no_bytecode, "compression-level": 19},
    }
    ours = {}
    for name, settings in variants.items():
        (folder / name).mkdir(exist_ok=True)
        ours[name] = Ours(stack, folder / name, runtime, environment, settings)
    ours["shipped"].ready()
    # With what one of the steps adds. A build is what has all wheels unpacked in uv's cache.
    (folder / "fetched").mkdir(exist_ok=True)
    options = {**no_bytecode, "compression-level": 1}
    fetched = Ours(stack.grown(), folder / "fetched", runtime, environment, options)
    fetched.ready()
    fetched.build()
    shutil.rmtree(fetched.folder)
    peer = None
    if python:
        peer = peers.Peer(stack, folder / "venvstacks", python, runtime, environment)
        peer.write()
        peer.lock()
        peer.fetch()
        with peer.changed(stack.grown()) as grown:
            grown.lock()
            grown.fetch()
        report.pins[stack.name] = _pins(ours["shipped"].pins(), peer.pins())
    report.layers[stack.name] = len(stack.names)
    return steps.Bench(stack, folder, **ours, peer=peer)


def without_peer(bench: steps.Bench) -> steps.Bench:
    return steps.Bench(
        bench.stack, bench.folder, bench.shipped, bench.plain, bench.small, peer=None
    )


def keep(report: Report, path: Path | None) -> None:
    if path:
        path.write_text(json.dumps(report.as_json(), indent=2) + "\n", "utf-8")


def _pins(ours: Mapping[str, str], peer: Mapping[str, str]) -> dict[str, Any]:
    names = sorted({*ours, *peer})
    pairs = {name: [ours.get(name), peer.get(name)] for name in names}
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return {"ours": dict(ours), "different": different}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hatch run bench", description=__doc__)
    parser.add_argument("--stack", action="append", choices=KINDS, help="default: all of them")
    parser.add_argument("--only", action="append", choices=steps.STEPS, help="a step; default: all")
    parser.add_argument("--repeat", type=int, default=3, help="rounds of ours; default 3")
    parser.add_argument(
        "--peer-repeat",
        type=int,
        default=1,
        help="in how many of the rounds the peers are measured, which takes minutes; default 1",
    )
    parser.add_argument(
        "--frameworks",
        type=int,
        action="append",
        help="of the generated stacks; default 1, 4 and 16",
    )
    parser.add_argument(
        "--find-links",
        type=Path,
        action="append",
        help="a folder with torch's wheel for the CPU; default those of PIP_FIND_LINKS",
    )
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--show", type=Path, help="only print the tables of such a file")
    parser.add_argument(
        "--work",
        type=Path,
        default=CHECKOUT / "dist" / "bench",
        help="a folder that is kept: locks, caches, what was built; default dist/bench",
    )
    # Hatch passes the two dashes on that set our options apart from its own.
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given[1:] if given[:1] == ["--"] else given)
    options.stack = options.stack or list(KINDS)
    options.only = options.only or list(steps.STEPS)
    options.frameworks = options.frameworks or list(stacks.GENERATED)
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    options.find_links = options.find_links or [Path(folder) for folder in folders]
    return options


if __name__ == "__main__":
    sys.exit(main())
