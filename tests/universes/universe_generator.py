"""Universes of packages and stacks of layers from a seed (:mod:`universes`).

Most requirements admit a hidden reference version of what they name, so that most universes can be
locked; some do not, and what the lower layers choose is anyhow the newest and not the reference.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from packaging.version import Version
from universes import PURE, RUNTIME, Layer, Release, Universe, later

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSIONS = ("1.0", "1.1", "1.2.post1", "2.0rc1", "2.0", "2.1+cpu", "3.0b2", "3.0")
_TAGS = {
    "linux_x86_64": "manylinux_2_17_x86_64",
    "linux_aarch64": "manylinux_2_17_aarch64",
    "macosx_arm64": "macosx_11_0_arm64",
    "macosx_x86_64": "macosx_10_9_x86_64",
    "win_amd64": "win_amd64",
    "win_arm64": "win_arm64",
}
_UNIVERSAL = "macosx_10_9_universal2"
_EXTRAS = ("x", "y")
# A condition and its opposite: the two halves of a fork.
_CONDITIONS = (
    ("sys_platform == 'linux'", "sys_platform != 'linux'"),
    ("sys_platform == 'darwin'", "sys_platform != 'darwin'"),
    ("sys_platform == 'win32'", "sys_platform != 'win32'"),
    ("platform_system == 'Windows'", "platform_system != 'Windows'"),
    ("os_name == 'nt'", "os_name != 'nt'"),
    ("platform_machine == 'x86_64'", "platform_machine != 'x86_64'"),
    ("platform_machine == 'arm64'", "platform_machine != 'arm64'"),
    ("platform_machine == 'aarch64'", "platform_machine != 'aarch64'"),
    ("implementation_name == 'cpython'", "implementation_name != 'cpython'"),
    ("platform_python_implementation == 'PyPy'", "platform_python_implementation != 'PyPy'"),
    ("python_version >= '3.10'", "python_version < '3.10'"),
    ("python_version < '3.12'", "python_version >= '3.12'"),
    # A patch release later than the runtime's, which a lock has to hold for all the same.
    ("python_full_version < '{later}'", "python_full_version >= '{later}'"),
)


@dataclass(frozen=True)
class _Dice:
    """Chance, and the release of CPython that markers and tags are about."""

    rng: Random
    python: str

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def condition(self) -> tuple[str, str]:
        one, other = self.rng.choice(_CONDITIONS)
        return one.format(later=later(self.python)), other.format(later=later(self.python))


@dataclass(frozen=True)
class _Package:
    """What requirements on a package are made from; ``reference`` is the version they admit."""

    name: str
    versions: tuple[str, ...]
    reference: str
    extras: tuple[str, ...]


def generate(seed: int, platforms: Sequence[str], python: str) -> Universe:
    """The universe of ``seed``: its runtime is CPython ``python``, on some of ``platforms``."""
    dice = _Dice(Random(f"universe {seed}"), python)  # noqa: S311 (it has to be repeatable)
    packages = [_package(dice, index) for index in range(dice.rng.randint(6, 20))]
    releases = [one for index in range(len(packages)) for one in _releases(dice, packages, index)]
    layers, shared = _layers(dice, packages, _some_platforms(dice, platforms))
    return Universe(seed, python, (*releases, *shared), tuple(layers))


def _package(dice: _Dice, index: int) -> _Package:
    versions = sorted(dice.rng.sample(_VERSIONS, dice.rng.randint(1, 4)), key=Version)
    stable = [one for one in versions if not Version(one).is_prerelease]
    if not stable and dice.chance(0.8):
        versions.append("4.0")
        stable = ["4.0"]
    extras = tuple(dice.rng.sample(_EXTRAS, dice.rng.choice((0, 0, 1, 1, 2))))
    # The newest of them, which lower layers take, does for most of what stands on them.
    reference = stable[-1] if stable and dice.chance(0.7) else dice.rng.choice(stable or versions)
    return _Package(f"vl-p{index}", tuple(versions), reference, extras)


def _releases(dice: _Dice, packages: Sequence[_Package], index: int) -> list[Release]:
    package = packages[index]
    # What most versions require; that of later packages, so that there are few circles.
    later = packages[index + 1 :]
    targets = dice.rng.sample(later, min(len(later), dice.rng.choice((0, 1, 1, 2, 2, 3))))
    if dice.chance(0.1):
        targets.append(dice.rng.choice([*packages[:index], *later] or [package]))
    releases = []
    for version in package.versions:
        requires = [
            line
            for target in targets
            if target is not package and dice.chance(0.85)
            for line in _requirements(dice, target, 0.3)
        ]
        for extra in package.extras:
            requires += _extra(dice, packages, index, extra)
        releases.append(
            Release(
                package.name,
                version,
                _tags(dice, everywhere=version == package.reference),
                tuple(requires),
                package.extras,
                _requires_python(dice, fits=version == package.reference),
            )
        )
    return releases


def _extra(dice: _Dice, packages: Sequence[_Package], index: int, extra: str) -> list[str]:
    """What a release requires for ``extra``: other packages, or another extra of its own."""
    package, lines = packages[index], []
    for target in dice.rng.sample(packages, min(len(packages), dice.rng.choice((1, 1, 2)))):
        if target is not package:
            for text in _requirements(dice, target, 0.25):
                requirement, _, marker = text.partition(" ; ")
                if " or " in marker:
                    marker = f"({marker})"
                both = f"{marker} and extra == '{extra}'" if marker else f"extra == '{extra}'"
                lines.append(f"{requirement} ; {both}")
    others = [one for one in package.extras if one != extra]
    if others and dice.chance(0.15):
        lines.append(f"{package.name}[{others[0]}] ; extra == '{extra}'")
    return lines


def _requirements(dice: _Dice, target: _Package, marked: float) -> list[str]:
    """One requirement on ``target``, with a marker by the chance ``marked``; or a fork of two."""
    extras = [one for one in target.extras if dice.chance(0.3)]
    name = f"{target.name}[{','.join(extras)}]" if extras else target.name
    if len(target.versions) > 1 and dice.chance(0.05):
        middle = dice.rng.choice(target.versions[1:])
        one, other = dice.condition()
        return [f"{name}<{_public(middle)} ; {one}", f"{name}>={_public(middle)} ; {other}"]
    requirement = name + _specifier(dice, target)
    return [f"{requirement} ; {_marker(dice)}" if dice.chance(marked) else requirement]


def _specifier(dice: _Dice, target: _Package) -> str:
    if dice.chance(0.7):
        return ""
    reference = target.reference
    if dice.chance(0.08):
        reference = dice.rng.choice(target.versions)
    index = target.versions.index(reference)
    below = _public(dice.rng.choice(target.versions[: index + 1]))
    above = [_public(one) for one in target.versions[index + 1 :]]
    forms = [f">={below}", f">={below}", f"=={reference}", f"=={Version(reference).major}.*"]
    if above:
        forms += [
            f"<{dice.rng.choice(above)}",
            f">={below},<{dice.rng.choice(above)}",
            f"!={above[-1]}",
        ]
    return dice.rng.choice(forms)


def _marker(dice: _Dice) -> str:
    one, other, third = (dice.rng.choice(dice.condition()) for _ in range(3))
    return dice.rng.choice(
        (
            *(one, one, one, one),
            f"{one} and {other}",
            f"{one} or {other}",
            f"({one} or {other}) and {third}",
            f"{one} or {other} and {third}",
        )
    )


def _tags(dice: _Dice, *, everywhere: bool) -> tuple[str, ...]:
    if dice.chance(0.65):
        return (PURE,)
    minor = "".join(dice.python.split(".")[:2])
    prefix = dice.rng.choice((f"cp{minor}-cp{minor}", "cp38-abi3", "py3-none"))
    names = [one for one in _TAGS if everywhere or dice.chance(0.6)]
    tags = [_TAGS[one] for one in names]
    if dice.chance(0.2):
        tags = [*(one for one in tags if not one.startswith("macosx")), _UNIVERSAL]
    found = tuple(f"{prefix}-{one}" for one in tags)
    # A pure wheel beside those of platforms: the better one is to be taken where there is one.
    return (*found, PURE) if not found or dice.chance(0.15) else found


def _requires_python(dice: _Dice, *, fits: bool) -> str:
    if dice.chance(0.85):
        return ""
    major, minor = (int(part) for part in dice.python.split(".")[:2])
    fitting = (">=3.8", f">={major}.{minor}", f">={dice.python}", f"!={major}.{minor - 1}.*")
    others = (f"<{major}.{minor}", f">={major}.{minor + 1}", f">={later(dice.python)}")
    return dice.rng.choice(fitting if fits else (*fitting, *others))


def _layers(
    dice: _Dice, packages: Sequence[_Package], platforms: tuple[str, ...]
) -> tuple[list[Layer], list[Release]]:
    """Layers, and releases that are there for them alone."""
    layers = {RUNTIME: Layer(RUNTIME, (), _wishes(dice, packages, 0.7, (0, 1, 2)), platforms)}
    allowed = {RUNTIME: platforms}
    for name, bases in _bases(dice).items():
        common = [one for one in platforms if all(one in allowed[base] for base in bases)]
        narrowed = tuple(one for one in common if one == platforms[0] or dice.chance(0.6))
        # Bases for different platforms leave it to the layer to say which it takes.
        differ = any(allowed[base] != allowed[bases[0]] for base in bases)
        own = narrowed if differ or dice.chance(0.2) else ()
        allowed[name] = own or allowed[bases[0]]
        depth = 0.0 if name.startswith("a") else 0.35
        layers[name] = Layer(name, bases, _wishes(dice, packages, depth, (1, 1, 2, 3)), own)
    joining = [one for one in layers.values() if len(one.bases) > 1]
    disputed = joining and dice.chance(0.4)
    shared = _dispute(dice, packages, layers, dice.rng.choice(joining)) if disputed else []
    return list(layers.values()), shared


def _bases(dice: _Dice) -> dict[str, tuple[str, ...]]:
    """Frameworks in a DAG and applications on them, with their bases."""
    # Python's classes have the import order of layers, and refuse bases without one.
    classes: dict[str, type[Any]] = {RUNTIME: type(RUNTIME, (), {})}
    found: dict[str, tuple[str, ...]] = {}
    frameworks = [f"f{number}" for number in range(dice.rng.choice((0, 1, 2, 2, 3, 4)))]
    for name in (*frameworks, *("a1", "a2")[: dice.rng.randint(1, 2)]):
        candidates = [one for one in classes if one.startswith("f")]
        while name not in found:
            count = dice.rng.choice((0, 0, 1, 2) if name in frameworks else (1, 2, 2, 3))
            chosen = dice.rng.sample(candidates, min(count, len(candidates))) or [RUNTIME]
            with suppress(TypeError):
                classes[name] = type(name, tuple(classes[one] for one in chosen), {})
                found[name] = tuple(chosen)
    return found


def _dispute(
    dice: _Dice, packages: Sequence[_Package], layers: dict[str, Layer], above: Layer
) -> list[Release]:
    """Let two bases of ``above`` hold different versions of one more package, given here.

    Mostly the first one's does for both, which is allowed.
    """
    first, second = (layers[one] for one in above.bases[:2])
    older, newer = "vl-shared==1.0", dice.rng.choice(("vl-shared", "vl-shared[x]", "vl-shared[x]"))
    if dice.chance(0.15):
        older, newer = newer, older
    for layer, requirement in ((first, older), (second, newer)):
        wishes = (*layer.requirements, requirement)
        layers[layer.name] = replace(layer, requirements=wishes)
    releases = []
    for version in ("1.0", "2.0", "3.0"):
        needed, optional = (dice.rng.choice(packages).name for _ in range(2))
        requires = (*((needed,) if dice.chance(0.3) else ()), f"{optional} ; extra == 'x'")
        releases.append(Release("vl-shared", version, requires=requires, extras=("x",)))
    return releases


def _wishes(
    dice: _Dice, packages: Sequence[_Package], depth: float, counts: Sequence[int]
) -> tuple[str, ...]:
    """Requirements of a layer; ``depth`` (0 to 1) is how far down the packages start."""
    reachable = packages[int(depth * len(packages)) :]
    targets = dice.rng.sample(reachable, min(dice.rng.choice(counts), len(reachable)))
    lines = [line for target in targets for line in _requirements(dice, target, 0.25)]
    return tuple(lines)


def _some_platforms(dice: _Dice, platforms: Sequence[str]) -> tuple[str, ...]:
    count = dice.rng.randint(min(2, len(platforms)), len(platforms))
    chosen = dice.rng.sample(list(platforms), count)
    return tuple(one for one in platforms if one in chosen)


def _public(version: str) -> str:
    return version.partition("+")[0]
