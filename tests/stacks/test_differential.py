"""A differential test: code cannot tell a stack of layers from one environment.

Generated stacks are built and unpacked, and the same wheels are installed into one virtual
environment. Both are asked the same: what is imported, what metadata says, what ran at the start.

``VENVLAYER_SEED=500 hatch test tests/stacks`` takes the stacks from 500 on, and
``VENVLAYER_STACKS`` says how many. The long form is ``many_stacks.py``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stack_check import (
    Built,
    Workshop,
    build,
    examine,
    make_workshop,
    wrong_answers,
    wrong_data,
    wrong_programs,
)
from stack_files import namespace_line
from stack_generator import generate
from stack_values import Distribution, Layer, MadeUpStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from front_end import FrontEnds

# One process has the runtime for all of them.
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds"),
    pytest.mark.xdist_group("stacks"),
]

FIRST = int(os.environ.get("VENVLAYER_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("VENVLAYER_STACKS", "5")))

OPEN = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
NAME = "Name: vl-b\n"
NOTING = "import sys; sys.__dict__.setdefault('vl_ran', []).append({!r})\n"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, front_ends: FrontEnds) -> Workshop:
    return make_workshop(tmp_path_factory.mktemp("workshop"), front_ends)


@pytest.mark.parametrize("seed", SEEDS)
def test_layers_are_as_one_environment(seed: int, workshop: Workshop, tmp_path: Path) -> None:
    stack = generate(seed)
    # pytest shows it where the test fails.
    sys.stdout.write(f"{stack}\n# VENVLAYER_SEED={seed} VENVLAYER_STACKS=1\n")
    examine(stack, workshop, tmp_path)


# What generated stacks have shown, as small as it gets.


def distribution(
    name: str, files: dict[str, str], *modules: str, version: str = "1.0"
) -> Distribution:
    return Distribution(name, version, files, modules)


def on_top_of_each_other(
    seed: int, lower: Distribution, upper: Distribution, *namespaces: str
) -> MadeUpStack:
    layers = (
        Layer("rt", (), ()),
        Layer("f0", ("rt",), (lower.name,)),
        Layer("app", ("f0",), (upper.name,)),
    )
    kinds = dict.fromkeys(namespaces, ("mixed",))
    return MadeUpStack(seed, (lower, upper), layers, kinds, ("app", "f0", "rt"))


def side_by_side(
    seed: int, distributions: tuple[Distribution, ...], left: str, right: str, *namespaces: str
) -> MadeUpStack:
    layers = (
        Layer("rt", (), ()),
        Layer("f0", ("rt",), (left,)),
        Layer("f1", ("rt",), (right,)),
        Layer("app", ("f0", "f1"), ()),
    )
    kinds = dict.fromkeys(namespaces, ("mixed",))
    return MadeUpStack(seed, distributions, layers, kinds, ("app", "f0", "f1", "rt"))


SMALL = {
    "two owners of a file": replace(
        on_top_of_each_other(
            10**6,
            distribution("vl-a", {"vlns/__init__.py": "", "vlns/a.py": "MARK = 1\n"}, "vlns.a"),
            distribution("vl-b", {"vlns/__init__.py": "", "vlns/b.py": "MARK = 2\n"}, "vlns.b"),
            "vlns",
        ),
        layers=(Layer("rt", (), ()), Layer("app", ("rt",), ("vl-a", "vl-b"))),
        order=("app", "rt"),
    ),
    "a namespace of a path file, and a part without": on_top_of_each_other(
        10**6 + 1,
        distribution(
            "vl-a", {"vlns/a.py": "MARK = 1\n", "a-nspkg.pth": namespace_line("vlns")}, "vlns.a"
        ),
        distribution("vl-b", {"vlns/b.py": "MARK = 2\n"}, "vlns.b"),
        "vlns",
    ),
    "a part without, and a namespace of a path file": on_top_of_each_other(
        10**6 + 2,
        distribution("vl-b", {"vlns/b.py": "MARK = 2\n"}, "vlns.b"),
        distribution(
            "vl-a", {"vlns/a.py": "MARK = 1\n", "a-nspkg.pth": namespace_line("vlns")}, "vlns.a"
        ),
        "vlns",
    ),
    "a namespace in a namespace that a lower layer opens": on_top_of_each_other(
        10**6 + 3,
        distribution(
            "vl-a",
            {
                "vlns/__init__.py": OPEN,
                "vlns/deep/__init__.py": "",
                "vlns/deep/a.py": "MARK = 1\n",
            },
            "vlns.deep.a",
        ),
        distribution(
            "vl-b",
            {"vlns/deep/__init__.py": "", "vlns/deep/b.py": "MARK = 2\n"},
            "vlns.deep.b",
        ),
        "vlns",
        "vlns.deep",
    ),
    "a namespace in a namespace, both in two layers that do not know each other": side_by_side(
        10**6 + 7,
        (
            distribution(
                "vl-a",
                {
                    "vlns/__init__.py": OPEN,
                    "vlns/deep/__init__.py": "",
                    "vlns/deep/a.py": "MARK = 1\n",
                },
                "vlns.deep.a",
            ),
            distribution(
                "vl-b", {"vlns/__init__.py": OPEN, "vlns/deep/b.py": "MARK = 2\n"}, "vlns.deep.b"
            ),
        ),
        "vl-a",
        "vl-b",
        "vlns",
        "vlns.deep",
    ),
    "a path file in two layers": side_by_side(
        10**6 + 4,
        (distribution("vl-a", {"vla.py": "MARK = 1\n", "a.pth": NOTING.format("a.pth")}, "vla"),),
        "vl-a",
        "vl-a",
    ),
    "a path file in a version that does not count": side_by_side(
        10**6 + 5,
        tuple(
            distribution(
                "vl-a",
                {"vla.py": f"MARK = {one!r}\n", "a.pth": NOTING.format(f"a.pth {one}")},
                "vla",
                version=one,
            )
            for one in ("1.0", "2.0")
        ),
        "vl-a<2",
        "vl-a",
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_stacks(name: str, workshop: Workshop, tmp_path: Path) -> None:
    examine(SMALL[name], workshop, tmp_path)


# What follows is about the test itself: the stacks have in them what they are there for, and the
# comparison notices what it is there for.


def test_a_seed_is_one_stack_under_every_python() -> None:
    assert generate(7) == generate(7)
    assert generate(7) != replace(generate(8), seed=7)
    digest = hashlib.sha256(str(generate(7)).encode()).hexdigest()
    assert digest.startswith("a73275a8d1c157a5")


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"^rt: vl", r"^f1 on rt", r"^f2 on f\d, f\d", r"^app on f\d, f\d", r"^app on rt"),
        *(r"^vlns\d: bare$", r"^vlns\d: pkgutil$", r"^vlns\d: path file, bare$"),
        *(r"^vlns\d: pkgutil, bare$", r"^vlns\d: empty, docstring$", r"^vlns\d\.deep: "),
        *(
            r"sitedir",
            r"_getframe",
            r"addsitedir",
            r"_start\\n",
            r"möre\\n",
            r"import\\t",
            r"\\r\\n",
        ),
        *(r"not_there_either", r"sitecustomize\.py", r"purelib/", r"data/share", r"headers/"),
        *(r"scripts/", r"top_level", r"common\.txt.*(\n.*)*common\.txt", r"vl-disputed<2"),
    ],
)
def test_stacks_have_what_they_are_for(pattern: str) -> None:
    texts = [str(generate(seed)) for seed in range(60)]
    assert sum(bool(re.search(pattern, text, re.MULTILINE)) for text in texts) >= 3


@pytest.fixture(scope="module")
def built(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One of everything, in which nothing differs."""
    lower = Distribution(
        name="vl-a",
        version="1.0",
        files={
            "vla/__init__.py": "MARK = 'a'\ndef main():\n    print('script')\n",
            "vla/__main__.py": "print('main')\n",
            "vla/data.txt": "data",
            "vlns/a.py": "MARK = 'part'\n",
            "a.pth": NOTING.format("a.pth 1") + NOTING.format("a.pth 2"),
        },
        modules=("vla", "vlns.a"),
        entry_points="[console_scripts]\nvla = vla:main\n[vl.plugins]\na = vla:MARK\n",
        data={"data/share/vl/a.txt": "a"},
    )
    upper = Distribution(
        name="vl-b",
        version="1.0",
        files={
            "vlb.py": "MARK = 'b'\n",
            "vlns/b.py": "MARK = 'part'\n",
            "b.pth": NOTING.format("b.pth"),
        },
        modules=("vlb", "vlns.b"),
        requires=("vl-a",),
    )
    stack = replace(on_top_of_each_other(10**6 + 6, lower, upper), namespaces={"vlns": ("bare",)})
    folder = tmp_path_factory.mktemp("built")
    found = build(stack, workshop, folder)
    assert [*wrong_answers(found), *wrong_programs(found), *wrong_data(found)] == []
    return found


def rewrite(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: next(root.rglob(name)).write_text(text, "utf-8")


def remove(name: str) -> Callable[[Path], object]:
    return lambda root: next(root.rglob(name)).unlink()


@pytest.mark.parametrize(
    ("change", "comparison", "expected"),
    [
        (remove("vlb.py"), wrong_answers, r"imports, vlb: .* ModuleNotFoundError in one"),
        (rewrite("vlb.py", "MARK = 'x'\n"), wrong_answers, r"imports, vlb: \['b'.* \['x'"),
        (rewrite("vlns/b.py", "1 / 0\n"), wrong_answers, r"imports, vlns.b: .* ZeroDivisionError"),
        (rewrite("b.pth", ""), wrong_answers, r"started: .*'b\.pth'\] in layers"),
        (rewrite("data.txt", "other"), wrong_answers, r"resources, vla: \['data'.* \['other'"),
        (
            rewrite("vl_b-*/METADATA", f"{NAME}Version: 2\n"),
            wrong_answers,
            "versions, vl-b: 1.0 in",
        ),
        (rewrite("vl_b-*/METADATA", f"{NAME}Version: 1.0\n"), wrong_answers, "requires, vl-b: "),
        (
            rewrite("vl_b-*/RECORD", "vlb.py,,\n"),
            wrong_answers,
            r"files, vl-b, vlb.py: .+ in layers",
        ),
        (
            rewrite("entry_points.txt", "[x]\na = b:c\n"),
            wrong_answers,
            r"entry points: .*'vla:MARK'",
        ),
        (
            rewrite("share/vl/a.txt", "other"),
            wrong_data,
            r"data, share/vl/a.txt: a in layers, other",
        ),
        (remove("bin/vla"), wrong_programs, r"scripts: \['vla'\] in layers, \[\] in one"),
        (
            rewrite("bin/vla", "#!/bin/sh\necho x\n"),
            wrong_programs,
            r"vla: script\n in layers, x\n",
        ),
        (
            rewrite("__main__.py", "1 / 0\n"),
            wrong_programs,
            r"-m vla: main\n in layers, failure in",
        ),
    ],
)
def test_comparison_notices(
    built: Built,
    tmp_path: Path,
    change: Callable[[Path], object],
    comparison: Callable[[Built], Iterator[str]],
    expected: str,
) -> None:
    plain = tmp_path / "plain"
    # Without what was compiled: a source of the same size and second would count as unchanged.
    shutil.copytree(built.plain, plain, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    change(plain)
    lines = []
    for line in comparison(replace(built, plain=plain)):
        lines.append(line)
        if re.search(expected, line):
            return
    pytest.fail(f"only {lines}")


def test_comparison_notices_another_order_at_the_start(built: Built) -> None:
    changed = replace(built, layers=dict(reversed([*built.layers.items()])))
    lines = [*wrong_answers(changed)]
    assert re.fullmatch(r"started \['b\.pth', 'a.*\], not \['a\.pth 1', .*", lines[0])


def test_long_form() -> None:
    command = [sys.executable, str(Path(__file__).with_name("many_stacks.py"))]
    arguments = ["--seed", "4", "--count", "1", "--jobs", "1"]
    done = subprocess.run(
        [*command, *arguments], check=False, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stacks 4 to 4, 1 at a time\n1 stacks in " in done.stdout
    assert done.stdout.endswith("failed: none\n")
