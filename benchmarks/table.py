"""The figures as tables in Markdown, and the targets: which are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer import NAME as PEER
from results import OURS, medians

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from measure import Usage
    from results import Medians, Sample

    Found = Mapping[tuple[str, str, str], Medians]

# Which of the peer's steps does the work that one of ours spares; of the others, that of its name.
SPARED = {"cold-plain": "cold", "warm": "cold", "small": "cold"}
# And which of ours does, among others, what a tool for a single step does.
SINGLE = {"pack": "cold-plain", "install": "warm"}
_ALL_OF_THREE = ("sci", "torch")


@dataclass(frozen=True)
class Target:
    """What a step must reach on some stacks.

    ``measure`` is ``wall`` or ``cpu`` (how many times less than the peer, at least), ``size`` (how
    many times the peer's, at most), ``beyond`` (seconds a layer, beyond the start of hatchling, at
    most) or ``memory`` (MB at most).
    """

    text: str
    stacks: tuple[str, ...]
    step: str
    measure: str
    bound: float


TARGETS = (
    Target("store empty, bytecode shipped", ("sci",), "cold", "wall", 8),
    Target("store empty, no bytecode", ("sci",), "cold-plain", "wall", 15),
    Target("store warm", ("sci",), "warm", "wall", 60),
    Target("one small package added", ("sci",), "add", "cpu", 30),
    Target("one small package added", ("torch",), "add", "cpu", 150),
    Target("nothing changed", _ALL_OF_THREE, "nothing", "cpu", 4),
    Target("nothing changed", _ALL_OF_THREE, "nothing", "beyond", 0.15),
    Target("only the module edited", _ALL_OF_THREE, "edit", "beyond", 1.0),
    Target("size, no bytecode, level 9", _ALL_OF_THREE, "cold-plain", "size", 1.25),
    Target("size, no bytecode, level 19", _ALL_OF_THREE, "small", "size", 1.08),
    Target("unpack until the first run", _ALL_OF_THREE, "deploy", "wall", 2.5),
    Target("peak memory of all processes", ("torch",), "memory", "memory", 300),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a target: ``reached`` is none where something that it needs was not measured."""

    target: Target
    stack: str
    reached: float | None

    @property
    def met(self) -> bool | None:
        if self.reached is None:
            return None
        if self.target.measure in ("wall", "cpu"):
            return self.reached >= self.target.bound
        return self.reached <= self.target.bound


def outcomes(samples: Iterable[Sample], layers: Mapping[str, int]) -> list[Outcome]:
    """What came of each target, for the stacks in ``layers`` (name -> number of layers)."""
    kept = list(samples)
    found, same = medians(kept), medians(_same_rounds(kept))
    return [
        Outcome(target, stack, _reached(target, stack, found, same, layers[stack]))
        for target in TARGETS
        for stack in target.stacks
        if stack in layers
    ]


def figures(samples: Sequence[Sample]) -> str:
    """A table of all medians; the ratios are the other tool's figure divided by ours.

    They are of the rounds in which both were measured, for a machine has better rounds and worse.
    """
    found, same = medians(samples), medians(_same_rounds(samples))
    head = (
        "stack",
        "step",
        "by",
        "runs",
        "wall s",
        "CPU s",
        "peak MB",
        "MB",
        "wall ratio",
        "CPU ratio",
    )
    rows = []
    for (stack, step, tool), one in found.items():
        median = one.median
        usage = median.usage
        peak = _number((usage.together or usage.peak) / 1e6, 0)
        size = _number(median.size / 1e6, 3 if median.size < 1e5 else 1) if median.size else ""
        times = [_number(usage.wall, 2), _number(usage.cpu, 2)]
        label = f"{tool} ({median.note})" if median.note else tool
        ratios = _ratios(stack, step, tool, same)
        rows.append((stack, step, label, str(one.runs), *times, peak, size, *ratios))
    return _markdown(head, rows)


def targets(found: Iterable[Outcome]) -> str:
    """A table of what came of the targets."""
    units = {"beyond": " s", "memory": " MB"}
    rows = []
    for one in found:
        target = one.target
        unit = units.get(target.measure, "")
        least = "≥" if target.measure in ("wall", "cpu") else "≤"
        reached = "not measured" if one.reached is None else f"{_number(one.reached, 2)}{unit}"
        answer = {True: "yes", False: "**no**", None: ""}[one.met]
        wanted = f"{least} {target.bound:g}{unit}"
        rows.append((target.text, one.stack, _MEASURES[target.measure], wanted, reached, answer))
    return _markdown(("target", "stack", "of", "wanted", "measured", "met"), rows)


_MEASURES = {
    "wall": "wall time, peer / ours",
    "cpu": "CPU time, peer / ours",
    "size": "bytes, ours / peer",
    "beyond": "wall time a layer, beyond hatchling's start",
    "memory": "memory",
}


def _same_rounds(samples: Sequence[Sample]) -> list[Sample]:
    """Those of the rounds in which the peer was measured; all where it never was."""
    rounds = {sample.number for sample in samples if sample.tool == PEER}
    return [sample for sample in samples if not rounds or sample.number in rounds]


def _reached(target: Target, stack: str, found: Found, same: Found, layers: int) -> float | None:
    one = found.get((stack, target.step, OURS))
    if one is None:
        return None
    ours = one.median
    if target.measure == "memory":
        return ours.usage.together / 1e6 or None
    if target.measure == "beyond":
        floor = found.get((stack, "start", OURS))
        # The module is edited in one layer, and that one alone is built.
        count = 1 if target.step == "edit" else layers
        return None if floor is None else ours.usage.wall / count - floor.median.usage.wall
    peer = same.get((stack, SPARED.get(target.step, target.step), PEER))
    if peer is None:
        return None
    if target.measure == "size":
        return ours.size / peer.median.size
    paired = same[stack, target.step, OURS].median.usage
    return _value(peer.median.usage, target.measure) / _value(paired, target.measure)


def _ratios(stack: str, step: str, tool: str, found: Found) -> tuple[str, str]:
    if tool == OURS:
        other, ours = (
            found.get((stack, SPARED.get(step, step), PEER)),
            found.get((stack, step, tool)),
        )
    elif step in SINGLE:
        other, ours = found.get((stack, step, tool)), found.get((stack, SINGLE[step], OURS))
    else:
        return "", ""
    if other is None or ours is None:
        return "", ""
    pair = other.median.usage, ours.median.usage
    return _number(pair[0].wall / pair[1].wall, 2), _number(pair[0].cpu / pair[1].cpu, 2)


def _value(usage: Usage, name: str) -> float:
    return usage.wall if name == "wall" else usage.cpu


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace(",", " ")


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # A bar would end the cell.
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *escaped]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(f"| {line} |" for line in padded)
