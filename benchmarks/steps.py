"""The steps that are measured, each by this project and, where it has the same, by its peers."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import peer as peers
from measure import measure, size_of
from ours import HAS_BYTECODE, Ours, find_links
from results import OURS, Sample
from stacks import APP, CHANGED, bumped
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from measure import Usage
    from peer import Peer
    from stacks import Stack


@dataclass(frozen=True)
class Bench:
    """One stack, ready to be measured, in ``folder``.

    ``shipped`` has the default options, ``plain`` turns bytecode off, ``small`` compresses at level
    19 besides. ``peer`` is there in the rounds in which the peers are measured too.
    """

    stack: Stack
    folder: Path
    shipped: Ours
    plain: Ours
    small: Ours
    peer: Peer | None

    def ours(self, step: str, usage: Usage, size: int = 0, note: str = "") -> Sample:
        return Sample(self.stack.name, step, OURS, usage, size, note)

    def peers(self, step: str, usage: Usage, size: int = 0, note: str = "") -> Sample:
        return Sample(self.stack.name, step, peers.NAME, usage, size, note)


class SkippedError(Exception):
    """A step cannot be measured here, and why."""


def start(bench: Bench) -> Iterator[Sample]:
    """Hatchling itself: it starts once for each layer, and that is the floor of every build."""
    yield bench.ours("start", bench.shipped.start())
    yield bench.ours("version", bench.shipped.version())


def cold(bench: Bench) -> Iterator[Sample]:
    """All archives with an empty store, bytecode shipped; the peer: build and publish."""
    if HAS_BYTECODE:
        yield bench.ours("cold", bench.shipped.build_all_anew(), bench.shipped.size())
    if bench.peer:
        yield bench.peers("cold", bench.peer.publish_all_anew(), bench.peer.size())
    if not HAS_BYTECODE:
        raise SkippedError("this version ships no bytecode")


def cold_plain(bench: Bench) -> Iterator[Sample]:
    """All archives with an empty store, without bytecode."""
    bench.plain.ready()
    yield bench.ours("cold-plain", bench.plain.build_all_anew(), bench.plain.size())


def warm(bench: Bench) -> Iterator[Sample]:
    """All archives, with a store that knows every distribution."""
    bench.shipped.prepare()
    bench.shipped.build()
    bench.shipped.forget_archives()
    yield bench.ours("warm", bench.shipped.build(), bench.shipped.size())


def nothing(bench: Bench) -> Iterator[Sample]:
    """Everything again, where nothing has changed."""
    bench.shipped.prepare()
    bench.shipped.build()
    yield bench.ours("nothing", bench.shipped.build())
    if bench.peer:
        bench.peer.prepare()
        yield bench.peers("nothing", bench.peer.publish())


def edit(bench: Bench) -> Iterator[Sample]:
    """The application alone, after a change of its module; the peer: the stack."""
    bench.shipped.prepare()
    old = _content(bench.shipped.archives()[-1])
    bench.shipped.edit()
    usage = bench.shipped.build([APP])
    yield bench.ours("edit", usage, 0, _news(old, _content(bench.shipped.archives()[-1])))
    if bench.peer:
        bench.peer.prepare()
        archive = next(path for path in bench.peer.archives() if path.name.startswith("app-"))
        old = _content(archive)
        bench.peer.edit()
        yield bench.peers("edit", bench.peer.publish(), 0, _news(old, _content(archive)))


def add(bench: Bench) -> Iterator[Sample]:
    """One small package more in a framework: the locks, then all archives."""
    grown = bench.stack.grown()
    bench.shipped.prepare()
    bench.shipped.build()
    with bench.shipped.changed(grown) as ours:
        yield bench.ours("add-lock", ours.lock())
        yield bench.ours("add", ours.build(), ours.size())
    if bench.peer:
        bench.peer.prepare()
        with bench.peer.changed(grown) as peer:
            yield bench.peers("add-lock", peer.lock())
            yield bench.peers("add", peer.publish(), peer.size())


def small(bench: Bench) -> Iterator[Sample]:
    """All archives with an empty store, without bytecode, at level 19."""
    bench.small.ready()
    yield bench.ours("small", bench.small.build_all_anew(), bench.small.size())


def deploy(bench: Bench) -> Iterator[Sample]:
    """From archives to the first run of the application; the peer: with its post-install."""
    bench.shipped.prepare()
    for tool, root in ((bench.shipped, bench.folder / "root"), (bench.peer, bench.folder / "peer")):
        if tool is None:
            continue
        sample = bench.ours if tool is bench.shipped else bench.peers
        tool.prepare()
        unpacked = tool.unpack(root / "unpacked")
        first = tool.first_run(root / "unpacked")
        yield sample("unpack", unpacked)
        yield sample("first-run", first)
        yield sample("deploy", unpacked + first)


def memory(bench: Bench) -> Iterator[Sample]:
    """As ``cold``, watched: the memory of all processes together."""
    yield bench.ours("memory", bench.shipped.build_all_anew(watch=True))


def pack(bench: Bench) -> Iterator[Sample]:
    """The single step of packing, by tools that do nothing else, of the layers without bytecode."""
    bench.plain.prepare()
    root, packed = bench.folder / "unpacked", bench.folder / "packed"
    bench.plain.unpack(root)
    commands = {"tar | zstd -9 -T2": ("zstd", "tar -cf - . | zstd -q -9 -T2 -c")}
    if bench.peer:
        commands["tar | xz -6"] = ("xz", "tar -cf - . | xz -6 -c")
    for name, (tool, command) in commands.items():
        if not shutil.which(tool):
            raise SkippedError(f"there is no `{tool}`")
        shell = ["sh", "-c", f'{command} > "$1"', "sh", str(packed)]
        log = bench.folder / "log"
        usage = measure(shell, cwd=root, env=bench.plain.environment, log=log)
        yield Sample(bench.stack.name, "pack", name, usage, size_of([packed]))
    packed.unlink()
    shutil.rmtree(root)


def install(bench: Bench) -> Iterator[Sample]:
    """The same distributions in one virtual environment, hard-linked from uv's cache."""
    bench.shipped.prepare()
    uv, venv = find_uv_bin(), bench.folder / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    environment = {**bench.shipped.environment, **find_links(bench.stack)}
    if bench.stack.wheels:
        environment["UV_FIND_LINKS"] = bench.stack.wheels.as_uri()
    pins = [f"{name}=={version}" for name, version in bench.shipped.pins().items()]
    settings = ["--quiet", "--no-deps", "--link-mode", "hardlink", "--python", str(venv)]
    total = None
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
        [uv, "pip", "install", *settings, *pins],
    ):
        log = bench.folder / "log"
        usage = measure(command, cwd=bench.folder, env=environment, log=log)
        total = total + usage if total else usage
    if total:
        yield Sample(bench.stack.name, "install", "uv venv, hard links", total)


def changing(bench: Bench) -> Iterator[Sample]:
    """The framework, of whose ``n`` distributions ``k`` have changed; the locks are there."""
    count = len(bench.stack.layers[1].requirements)
    for changed in CHANGED[count]:
        bench.shipped.prepare()
        bench.shipped.build()
        step = f"{changed} of {count}"
        other = bench.stack.with_requirements("parts", bumped(count, changed))
        with bench.shipped.changed(other) as ours:
            ours.lock()
            yield bench.ours(step, ours.build(["parts"]))
        if bench.peer and changed == 1:
            bench.peer.prepare()
            with bench.peer.changed(other) as peer:
                peer.lock()
                yield bench.peers(step, peer.publish())


# In this order, so that the peer's longest step comes first and the others find what it made.
STEPS: Mapping[str, Callable[[Bench], Iterator[Sample]]] = {
    "start": start,
    "cold": cold,
    "cold-plain": cold_plain,
    "warm": warm,
    "nothing": nothing,
    "edit": edit,
    "deploy": deploy,
    "add": add,
    "small": small,
    "memory": memory,
    "pack": pack,
    "install": install,
    "changing": changing,
}
# What is the same in each round, or takes long and is not compared by its time.
ONCE = {"small", "memory"}
GROWTH = ("start", "cold", "cold-plain", "warm", "nothing", "edit", "deploy", "pack", "install")


def steps_of(stack: Stack) -> tuple[str, ...]:
    """The steps that are measured on ``stack``."""
    if stack.name.startswith("changing-"):
        return ("changing",)
    if stack.name.startswith("generated-"):
        return GROWTH
    return tuple(name for name in STEPS if name != "changing")


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _news(old: str, new: str) -> str:
    return "the archive is as before" if old == new else ""
