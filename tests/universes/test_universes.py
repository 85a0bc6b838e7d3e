"""A property test: layered locks are what one joint resolution would install.

``VENVLAYER_SEED=500 hatch test tests/universes`` takes the universes from 500 on, and
``VENVLAYER_UNIVERSES`` says how many. The long form is ``hatch run universes``.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import universe_check
from packaging.markers import Marker
from packaging.tags import parse_tag
from universe_check import (
    TOLD_APART,
    Examination,
    Machine,
    View,
    check_view,
    examine,
    make_machine,
    view_of,
)
from universe_generator import generate
from universe_shrinker import shrink
from universes import Layer, Release, Universe

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.model.platforms import PLATFORMS, marker_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from packaging.pylock import Package

    from hatch_venvstacks.model.lock import Lock

FIRST = int(os.environ.get("VENVLAYER_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("VENVLAYER_UNIVERSES", "20")))

LINUX = marker_environment(PLATFORMS["linux_x86_64"], "3.11.7")
WINDOWS = marker_environment(PLATFORMS["win_amd64"], "3.11.7")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return make_machine(tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize("seed", SEEDS)
def test_layers_hold_what_one_resolution_gives(seed: int, machine: Machine, tmp_path: Path) -> None:
    universe = generate(seed, TOLD_APART, machine.python)
    # pytest shows it where the test fails.
    sys.stdout.write(f"{universe}\n# VENVLAYER_SEED={seed} VENVLAYER_UNIVERSES=1\n")
    tally = examine(universe, machine, tmp_path)
    assert tally.locks + tally.refusals + tally.unreached == len(universe.layers)


# What follows is about the test itself: the universes have in them what they are there for, and
# the check notices what it is there for.


def test_a_seed_is_one_universe_under_every_python() -> None:
    universe = generate(7, TOLD_APART, "3.11.7")
    assert universe == generate(7, TOLD_APART, "3.11.7")
    assert universe != replace(generate(8, TOLD_APART, "3.11.7"), seed=7)
    digest = hashlib.sha256(str(universe).encode()).hexdigest()
    assert digest.startswith("eb188421044decbb")


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"^vl-p\d+ 2\.0rc1$", r"^vl-p.*\| Python [<>]", r"\| wheels (?!.*win_arm64)"),
        *(r"universal2.* ", r"manylinux.*, py3-none-any$", r"^    vl-p\d+\[[xy]\]", r"<2.* ; "),
        *(r"extra == 'x'$", r" and extra == 'y'$", r" or .* and ", r"^    (vl-p\d+)<.*\n    \1>="),
        *(r"implementation_name ", r"^f\d on rt$", r"^f\d on f\d, f\d", r"^a1 on .* for linux"),
    ],
)
def test_universes_have_what_they_are_for(pattern: str) -> None:
    texts = [str(generate(seed, TOLD_APART, "3.11.7")) for seed in range(40)]
    found = [text for text in texts if re.search(pattern, text, re.MULTILINE)]
    assert len(found) >= 3


def a_universe(python: str = "3.11.7") -> Universe:
    """One that has a solution: an extra of what lies below, and a dependency of Windows."""
    tag = f"cp{''.join(python.split('.')[:2])}"
    native = (f"{tag}-{tag}-manylinux_2_17_x86_64", f"{tag}-{tag}-win_amd64")
    return Universe(
        seed=0,
        python=python,
        releases=(
            Release("vl-app", "1.0", requires=("vl-lib[fast]", "vl-con ; os_name == 'nt'")),
            Release("vl-lib", "1.0", requires=("vl-fast ; extra == 'fast'",), extras=("fast",)),
            Release("vl-lib", "2.0", requires=("vl-fast ; extra == 'fast'",), extras=("fast",)),
            Release("vl-lib", "3.0b1"),
            Release("vl-fast", "1.0", tags=native),
            Release("vl-con", "1.0"),
            Release("vl-other", "1.0"),
        ),
        layers=(
            Layer("rt", (), ("vl-lib<2",), ("linux_x86_64", "win_amd64")),
            Layer("f0", ("rt",), ("vl-other",)),
            Layer("a1", ("f0",), ("vl-app", "vl-lib")),
        ),
    )


def test_closure() -> None:
    universe = a_universe()
    versions = {"vl-app": "1.0", "vl-lib": "1.0", "vl-fast": "1.0"}
    for requirements, expected in (
        ((), set()),
        (("vl-lib",), {"vl-lib"}),
        (("vl-lib[fast]", "vl-lib"), {"vl-lib", "vl-fast"}),
        (("vl-app",), {"vl-app", "vl-lib", "vl-fast"}),
        (("vl-app ; sys_platform == 'win32'", "vl-fast"), {"vl-fast"}),
    ):
        assert universe.closure(requirements, versions, LINUX) == expected
    with pytest.raises(AssertionError, match=r"vl-con.* is not there"):
        universe.closure(["vl-app"], versions, WINDOWS)
    with pytest.raises(AssertionError, match=r"`vl-lib>1` of the layers is not 1\.0"):
        universe.closure(["vl-lib>1"], versions, LINUX)


def test_solution() -> None:
    universe = a_universe()
    pure = parse_tag("py3-none-any")
    tags = pure | parse_tag("cp311-cp311-manylinux_2_17_x86_64")
    needed = {"vl-app", "vl-lib", "vl-fast"}
    found = universe.solution(["vl-app"], {}, LINUX, tags)
    assert found is not None
    assert found.keys() == needed
    assert universe.solution(["vl-app", "vl-lib>1"], {}, LINUX, tags) == {
        **dict.fromkeys(needed, "1.0"),
        "vl-lib": "2.0",
    }
    assert universe.solution(["vl-app"], {}, LINUX, pure) is None
    assert universe.solution(["vl-lib>2"], {}, LINUX, tags) is None
    assert universe.solution(["vl-lib>1"], {"vl-lib": "1.0"}, LINUX, tags) is None
    assert universe.solution(["vl-lib"], {"vl-lib": "3.0b1"}, LINUX, tags) == {"vl-lib": "3.0b1"}


def test_shrink() -> None:
    universe = generate(7, TOLD_APART, "3.11.7")
    needed = {universe.releases[0].name, universe.releases[-1].name}
    small = shrink(universe, lambda one: needed <= {release.name for release in one.releases})
    assert {release.name for release in small.releases} == needed
    assert len(small.releases) == len(needed)
    assert not any(release.requires for release in small.releases)
    assert [(layer.name, layer.requirements) for layer in small.layers] == [("rt", ())]


@pytest.fixture(scope="module")
def seen(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examination]:
    """The universe above, locked."""
    folder = tmp_path_factory.mktemp("seen")
    with Examination.of(a_universe(machine.python), machine, folder) as examination:
        tally = examination.run()
        assert (tally.whole, tally.locks, tally.partial) == (1, 3, 1)
        yield examination


def top(seen: Examination, change: Callable[[Sequence[Package]], Sequence[Package]]) -> View:
    """What the application sees after its lock has been changed."""
    view = seen.view(seen.layers["a1"])
    lock = view.locks[0]
    packages = list(change(lock.pylock.packages))
    changed = replace(lock, pylock=replace(lock.pylock, packages=packages))
    return view_of(view.universe, view.layers, [changed, *view.locks[1:]])


def without(name: str, packages: Sequence[Package]) -> list[Package]:
    return [package for package in packages if package.name != name]


def with_marker(marker: str, packages: Sequence[Package]) -> list[Package]:
    return [replace(one, marker=Marker(marker) if one.marker else None) for one in packages]


def test_check_notices_what_is_missing(seen: Examination) -> None:
    view = top(seen, lambda packages: packages)
    check_view(view, seen.joint)
    assert sorted(view.union("linux_x86_64")) == ["vl-app", "vl-fast", "vl-lib", "vl-other"]
    for name in ("vl-app", "vl-con", "vl-fast"):
        view = top(seen, partial(without, name))
        with pytest.raises(AssertionError, match=rf"a1 on win_amd64: missing.*{name}|{name}.*miss"):
            check_view(replace(view, platforms=("win_amd64",)), seen.joint)


def test_check_notices_what_is_superfluous(seen: Examination) -> None:
    everywhere = top(seen, lambda packages: [replace(p, marker=None) for p in packages])
    with pytest.raises(AssertionError, match=r"a1 on linux_x86_64: superfluous \['vl-con'\]"):
        check_view(everywhere, seen.joint)


def test_check_notices_what_lies_below_already(seen: Examination) -> None:
    below = seen.locks["rt"].pylock.packages
    view = top(seen, lambda packages: [*packages, *below])
    with pytest.raises(AssertionError, match=r"\['vl-lib'\] is there already"):
        check_view(view, seen.joint)


def test_check_notices_another_version(seen: Examination) -> None:
    # The joint resolution is asked to prefer what is locked, which lies below what it has to be.
    layers = [replace(one, requirements=("vl-lib>1",)) for one in (seen.layers["rt"],)]
    view = view_of(seen.universe, layers, [seen.locks["rt"]])
    with pytest.raises(AssertionError, match=r"rt on linux_x86_64: vl-lib is .*1\.0.*, not .*2\.0"):
        check_view(view, seen.joint)
    layers = [replace(one, requirements=("vl-lib>3",)) for one in layers]
    with pytest.raises(AssertionError, match="rt: locked, but there is no solution"):
        check_view(replace(view, layers=tuple(layers)), seen.joint)


def test_check_notices_a_needless_marker(seen: Examination) -> None:
    platforms = " or ".join(PLATFORMS[p].marker for p in ("linux_x86_64", "win_amd64"))
    for marker in (platforms, "os_name == 'nt'"):
        view = top(seen, partial(with_marker, marker))
        expected = "superfluous" if marker == platforms else "has the marker"
        with pytest.raises(AssertionError, match=expected):
            check_view(view, seen.joint)


def test_check_notices_a_wheel_of_no_target(seen: Examination) -> None:
    def with_another(packages: Sequence[Package]) -> list[Package]:
        fast = next(package for package in packages if package.name == "vl-fast")
        assert fast.wheels
        strange = replace(fast.wheels[0], path="../index/vl_fast-1.0-py3-none-win_arm64.whl")
        changed = replace(fast, wheels=[*fast.wheels, strange])
        return [*without("vl-fast", packages), changed]

    with pytest.raises(AssertionError, match=r"vl-fast 1\.0: vl_fast-1\.0-py3-none-win_arm64\.whl"):
        check_view(top(seen, with_another), seen.joint)


def test_check_notices_a_wrong_record_of_what_lies_below(seen: Examination) -> None:
    view = seen.view(seen.layers["a1"])
    lock = view.locks[0]
    below = {platform: {**names} for platform, names in lock.inputs.below.items()}
    assert below["linux_x86_64"]["vl-lib"].partition(" ")[0] == "1.0"
    for change in ({"vl-lib": "2.0"}, {"vl-lib": ""}, {"vl-other": "1.0"}):
        inputs = replace(
            lock.inputs, below={**below, "linux_x86_64": {**below["linux_x86_64"], **change}}
        )
        changed: Lock = replace(lock, inputs=inputs)
        with pytest.raises(AssertionError, match="a1 on linux_x86_64: it records"):
            check_view(replace(view, locks=(changed, *view.locks[1:])), seen.joint)


def test_check_notices_a_needless_refusal(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise LockError("no")

    monkeypatch.setattr(universe_check, "update_lock", refuse)
    with pytest.raises(AssertionError, match="rt is refused, but versions can be found"):
        examine(a_universe(machine.python), machine, tmp_path)


def test_refusal_that_is_right(machine: Machine, tmp_path: Path) -> None:
    universe = a_universe(machine.python)
    layers = (*universe.layers[:2], replace(universe.layers[2], requirements=("vl-lib>1",)))
    tally = examine(replace(universe, layers=layers), machine, tmp_path)
    assert (tally.locks, tally.refusals, tally.whole) == (2, 1, 0)


def test_long_form() -> None:
    command = [sys.executable, str(Path(__file__).with_name("many_universes.py"))]
    arguments = ["--seed", str(FIRST), "--count", "2", "--jobs", "2"]
    done = subprocess.run(
        [*command, *arguments], check=False, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"Universes {FIRST} to {FIRST + 1}, 2 at a time\n2 universes, ")
    assert done.stdout.endswith("failed: none\n")
