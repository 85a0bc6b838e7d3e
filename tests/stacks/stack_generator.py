"""Stacks of layers from a seed, with distributions that are spread over them.

What is in one is what is known to be hard to spread: namespaces of all styles, path files, entry
points, data files, scripts, a distribution in two layers. All of it works in one site directory,
whatever the mixture.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from stack_files import INITS, LINES, NOTE, PALETTES, Files, namespace_line
from stack_values import APP, RUNTIME, Distribution, Layer, MadeUpStack

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSIONS = ("1.0", "2.1", "1.0.post1", "1!2.0", "1.0+vl.1")


def generate(seed: int) -> MadeUpStack:
    """The stack of ``seed``, the same on every machine and under every Python."""
    return _Generator(Random(f"stack {seed}")).stack(seed)  # noqa: S311 (to be repeatable)


class _Generator:
    """Chance, and what the distributions so far have left for the next."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._count = rng.randint(4, 11)
        self._names = [
            rng.choice((f"vl-{index}", f"vl-{index}", f"VL.Name_{index}"))
            for index in range(self._count)
        ]
        self._namespaces = self._some_namespaces()
        # The one that has a `sitecustomize`, if any.
        self._customizing = rng.randrange(self._count) if self._chance(0.2) else -1

    def stack(self, seed: int) -> MadeUpStack:
        distributions = [self._distribution(index) for index in range(self._count)]
        layers, order = self._layers()
        disputed = self._disputed(layers, order)
        return MadeUpStack(
            seed, (*distributions, *disputed), tuple(layers), self._namespaces, order
        )

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _some(self, candidates: Sequence[Any], most: int) -> list[Any]:
        count = min(self._rng.randint(0, most), len(candidates))
        return self._rng.sample(list(candidates), count)

    def _some_namespaces(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for number in range(self._rng.randint(1, 3)):
            found[f"vlns{number}"] = palette = self._rng.choice(PALETTES)
            if self._chance(0.4):
                # What a path file makes is not looked for by the import system any more, so
                # nobody mixes it with packages that have an `__init__.py`.
                made = "path file" in palette
                like = [one for one in PALETTES if made == ("path file" in one)]
                found[f"vlns{number}.deep"] = self._rng.choice(like)
        return found

    # Distributions

    def _distribution(self, index: int) -> Distribution:
        own = Files(self._names[index], self._rng.choice(_VERSIONS), f"vl{index}")
        required = self._some(range(index), 2)
        self._package(own, required)
        for namespace in self._some([*self._namespaces], 3):
            self._part(own, namespace, required)
        if self._chance(0.5):
            self._path_file(own)
        if index == self._customizing:
            own.files["sitecustomize.py"] = f"import sys\n{NOTE}('sitecustomize')\n"
        self._extras(own)
        return Distribution(
            name=own.name,
            version=own.version,
            files=own.files,
            modules=tuple(own.modules),
            requires=self._requires(index, required),
            entry_points=self._entry_points(own),
            scripts=own.scripts,
            data=own.data,
            extras=("x",),
        )

    def _package(self, own: Files, required: Sequence[int]) -> None:
        """A package with what packages have, which imports some of what it requires."""
        top = own.top
        own.module(top, package=True)
        own.module(f"{top}.inner", code="def main():\n    print(MARK)\n")
        own.files[f"{top}/data.txt"] = f"data of {own.name}\n"
        own.files[f"{top}/__main__.py"] = f"from {top}.inner import main\nmain()\n"
        if self._chance(0.4):
            own.module(f"{top}.sub", package=True)
            own.module(f"{top}.sub.deep", code="from ..inner import main\n")
        for other in required:
            own.module(f"{top}.uses{other}", code=f"from vl{other}.inner import MARK as M{other}\n")
        if self._chance(0.3):
            own.module(f"{top}.optional", code="import vl_not_there\n")
        if self._chance(0.3):
            own.module(f"{top}_alone")
        if self._chance(0.2):
            mark = f"{own.name} {own.version} {top}_pure"
            own.data[f"purelib/{top}_pure.py"] = f"MARK = {mark!r}\n"
            own.modules.append(f"{top}_pure")

    def _part(self, own: Files, namespace: str, required: Sequence[int]) -> None:
        """A part of ``namespace``, and what opens it and those that it is in."""
        parent = namespace.rpartition(".")[0]
        if parent and parent not in own.kinds:
            own.kinds[parent] = self._rng.choice(self._namespaces[parent])
        if namespace not in own.kinds:
            kinds = self._namespaces[namespace]
            # The path file of a namespace in another one names both.
            if parent and own.kinds[parent] in ("path file", "bare") and "path file" in kinds:
                kinds = (own.kinds[parent],)
            own.kinds[namespace] = self._rng.choice(kinds)
        for name in filter(None, (parent, namespace)):
            init = INITS[own.kinds[name]]
            if init is not None:
                own.files[f"{name.replace('.', '/')}/__init__.py"] = init
        part = f"{namespace}.part_{own.top}"
        code = "".join(
            f"try:\n    from {namespace} import part_vl{other}\nexcept ImportError:\n    pass\n"
            for other in required
        )
        package = self._chance(0.4)
        own.module(part, package=package, code=code)
        if package:
            own.module(f"{part}.leaf")
        own.files[f"{namespace.replace('.', '/')}/{own.top}.txt"] = own.name
        made = [name for name, kind in own.kinds.items() if kind == "path file"]
        if made:
            own.files[f"{own.stem}-py3.11-nspkg.pth"] = "".join(map(namespace_line, sorted(made)))

    def _path_file(self, own: Files) -> None:
        """A path file of several lines, some of which note that they ran."""
        top = own.top
        name = f"{self._rng.choice('0AZ_az')}{top}.pth"
        lines = []
        for number, make in enumerate(self._some(LINES, 4)):
            lines += make(own, name, f"{name} {number}")
        if self._chance(0.15):
            # The rest is not run; CPython 3.15 goes on.
            note = f"import sys; sys.version_info < (3, 15) and {NOTE}('never')"
            lines += ["import vl_not_there_either", note]
        end = "\r\n" if self._chance(0.15) else "\n"
        own.files[name] = end.join([*lines, ""])

    def _extras(self, own: Files) -> None:
        info = f"{own.stem}.dist-info"
        if self._chance(0.4):
            own.files[f"{info}/licenses/LICENSE"] = "Do as you like.\n"
        if self._chance(0.4):
            tops = sorted({name.partition(".")[0] for name in own.modules})
            own.files[f"{info}/top_level.txt"] = "".join(f"{top}\n" for top in tops)
        if self._chance(0.4):
            own.data[f"data/share/vl/{own.top}.txt"] = own.name
            own.data[f"data/etc/vl/{own.top}.conf"] = own.version
        if self._chance(0.2):
            own.data["data/share/vl/common.txt"] = "the same in all\n"
        if self._chance(0.15):
            own.data[f"headers/{own.top}.h"] = "int x;\n"
        if self._chance(0.2):
            own.scripts[f"{own.top}-script"] = (
                f"#!python\nimport {own.top}\nprint({own.top}.MARK)\n"
            )

    def _entry_points(self, own: Files) -> str:
        lines = []
        if self._chance(0.5):
            lines += ["[console_scripts]", f"{own.top}-run = {own.top}.inner:main"]
        if self._chance(0.6):
            lines += ["[vl.plugins]", f"plugin = {own.top}:MARK"]
            for module in self._some(own.modules, 2):
                lines.append(f"{module}.a b = {module}:MARK [x]")
        if self._chance(0.2):
            lines += ["[vl.others]", f"other-{own.top} = vl_not_there:x"]
        return "".join(f"{line}\n" for line in lines)

    def _requires(self, index: int, required: Sequence[int]) -> tuple[str, ...]:
        found = []
        for other in required:
            name = self._rng.choice((self._names[other], f"vL.{other}"))
            if self._names[other].startswith("VL"):
                name = self._names[other].lower()
            found.append(
                self._rng.choice((name, f"{name}>=1", f"{name} ; python_version >= '3.8'"))
            )
        if self._chance(0.2):
            found.append("vl-windows-only ; sys_platform == 'win32'")
        if index and self._chance(0.2):
            found.append(f"{self._names[self._rng.randrange(index)]} ; extra == 'x'")
        return tuple(found)

    # Layers

    def _layers(self) -> tuple[list[Layer], tuple[str, ...]]:
        bases, order = self._bases()
        names = [RUNTIME, *bases]
        wishes: dict[str, list[str]] = {name: [] for name in names}
        # A runtime of its own takes longer to build.
        candidates = names if self._chance(0.35) else names[1:]
        for name in self._names:
            twice = len(candidates) > 1 and self._chance(0.15)
            for layer in self._rng.sample(candidates, 2 if twice else 1):
                wishes[layer].append(name)
        return [Layer(one, bases.get(one, ()), tuple(wishes[one])) for one in names], order

    def _bases(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """Frameworks in a DAG, and one application that stands on all; the import order."""
        # Python's classes have the import order of layers, and refuse bases without one.
        classes: dict[str, type[Any]] = {RUNTIME: type(RUNTIME, (), {})}
        found: dict[str, tuple[str, ...]] = {}
        frameworks = [f"f{number}" for number in range(self._rng.choice((0, 1, 2, 2, 3, 3)))]
        for name in (*frameworks, APP):
            while name not in found:
                chosen = self._some([one for one in classes if one != RUNTIME], 2) or [RUNTIME]
                if name == APP:
                    used = {base for bases in found.values() for base in bases}
                    chosen = [one for one in frameworks if one not in used] or [RUNTIME]
                    self._rng.shuffle(chosen)
                with suppress(TypeError):
                    classes[name] = type(name, tuple(classes[one] for one in chosen), {})
                    found[name] = tuple(chosen)
        order = tuple(one.__name__ for one in classes[APP].__mro__[:-1])
        return found, order

    def _disputed(self, layers: list[Layer], order: Sequence[str]) -> list[Distribution]:
        """One more distribution, in two versions, of which the first in import order counts."""
        above = {layer.name: set(layer.bases) for layer in layers}
        for layer in layers:
            above[layer.name] |= {name for base in layer.bases for name in above[base]}
        pairs = [
            (first, second)
            for first in order
            for second in order[order.index(first) + 1 :]
            if first != APP and second not in above[first]
        ]
        if not pairs or not self._chance(0.5):
            return []
        wishes = zip(self._rng.choice(pairs), ("vl-disputed<2", "vl-disputed"), strict=True)
        for name, wish in wishes:
            (index,) = (number for number, layer in enumerate(layers) if layer.name == name)
            layer = layers[index]
            layers[index] = Layer(name, layer.bases, (*layer.requirements, wish))
        found = []
        for version in ("1.0", "2.0"):
            own = Files("vl-disputed", version, "vldisputed")
            own.module(own.top, package=True)
            own.module(f"{own.top}.inner", code="def main():\n    print(MARK)\n")
            # The start-up file of the version that does not count must not run either.
            own.files["vldisputed.pth"] = f"import sys; {NOTE}('vldisputed.pth {version}')\n"
            entry = f"[vl.plugins]\ndisputed{version} = vldisputed:MARK\n"
            found.append(
                Distribution(own.name, version, own.files, tuple(own.modules), entry_points=entry)
            )
        return found
