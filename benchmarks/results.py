"""What was measured, as values and as JSON."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard
from measure import Usage

from hatch_venvstacks.__about__ import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OURS = "hatch-venvstacks"


@dataclass(frozen=True)
class Sample:
    """One measurement: of which stack, which step, by which tool.

    ``size`` is the bytes of what was made, 0 where nothing was. ``note`` is what the figures do
    not say, ``number`` counts the rounds from 0.
    """

    stack: str
    step: str
    tool: str
    usage: Usage
    size: int = 0
    note: str = ""
    number: int = 0

    def as_json(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values, **values.pop("usage")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sample:
        usage = Usage(*(values[name] for name in ("wall", "cpu", "peak", "together")))
        stack, step, tool = (values[name] for name in ("stack", "step", "tool"))
        more = (values[name] for name in ("size", "note", "number"))
        return cls(stack, step, tool, usage, *more)


@dataclass(frozen=True)
class Medians:
    """The samples of one step of one tool on one stack, in one line; ``runs`` of them."""

    median: Sample
    runs: int


def medians(samples: Iterable[Sample]) -> dict[tuple[str, str, str], Medians]:
    """By stack, step and tool, in the order in which they came first: each figure's median."""
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.stack, sample.step, sample.tool), []).append(sample)
    return {key: Medians(_median(group), len(group)) for key, group in groups.items()}


def _median(group: Sequence[Sample]) -> Sample:
    usages = [sample.usage for sample in group]
    usage = Usage(
        statistics.median(usage.wall for usage in usages),
        statistics.median(usage.cpu for usage in usages),
        round(statistics.median(usage.peak for usage in usages)),
        round(statistics.median(usage.together for usage in usages)),
    )
    size = round(statistics.median(sample.size for sample in group))
    notes = dict.fromkeys(sample.note for sample in group if sample.note)
    return replace(group[0], usage=usage, size=size, note="; ".join(notes))


def versions(checkout: Path, peer: Path | None) -> dict[str, str]:
    """What the figures depend on besides the code that is measured, and when they were taken."""
    found = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        "hatch-venvstacks": __version__,
        "commit": _said(["git", "-C", str(checkout), "describe", "--always", "--dirty"]),
        **{name: version(name) for name in ("hatchling", "uv", "zstandard")},
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
    }
    if peer:
        # Not with our uv: the environment's own pip says what it has.
        frozen = _said([str(peer), "-I", "-m", "pip", "list", "--format=freeze"]).split()
        named = dict(line.split("==", 1) for line in frozen if "==" in line)
        found |= {f"peer: {name}": named.get(name, "?") for name in ("venvstacks", "uv", "pip")}
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
