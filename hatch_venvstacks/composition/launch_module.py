"""What an application starts: is there such a module?"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.plan import Plan


# The standard library without any site directory: `-I -S`.
_IN_STDLIB = """
import sys
from importlib.util import find_spec
name = sys.argv[1]
try:
    spec = find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = find_spec(name + ".__main__")
except ImportError:
    spec = None
sys.exit(spec is None)
"""


def check_launch_module(
    module: str,
    plans: Sequence[Plan],
    site: str,
    find_python: Callable[[], Path],
    find_below: Callable[[], Iterable[Callable[[str], bool]]],
) -> None:
    """Make sure that ``python -m module`` finds something to run.

    ``plans`` are the layer's, ``site`` is its site directory; ``find_python`` gives a CPython of
    its minor release for this machine, whose standard library stands for that of other platforms;
    ``find_below`` gives tests of whether a path is in a site directory of the layers below, and is
    asked only where the layer itself has no such module.

    :raises BuildError: where there is none, or where it is a package without ``__main__``.
    """
    own = {member.path.removeprefix(f"{site}/") for plan in plans for member in plan.members}
    if _runs(module, own.__contains__) or _in_stdlib(module, find_python):
        return
    place = module.replace(".", "/")
    is_package = any(path.startswith(f"{place}/") for path in own)
    for exists in find_below():
        if _runs(module, exists):
            return
        is_package = is_package or exists(f"{place}/__init__.py")
    if is_package:
        raise BuildError(
            f"`launch-module` is the package `{module}`, which has no module `__main__`",
            hint=f"Add `__main__.py` to it, or name the module to run: `{module}.<name>`",
        )
    raise BuildError(
        f"`launch-module` is `{module}`, which neither this layer nor a layer below has",
        hint="Name a module of the project or of a requirement, or a path to a module that is no "
        'part of a package (such as "launch.py")',
    )


def _runs(module: str, exists: Callable[[str], bool]) -> bool:
    place = module.replace(".", "/")
    return exists(f"{place}.py") or exists(f"{place}/__main__.py")


def _in_stdlib(module: str, find_python: Callable[[], Path]) -> bool:
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    command = [str(find_python()), "-I", "-S", "-B", "-c", _IN_STDLIB, module]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0
