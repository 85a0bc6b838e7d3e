from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from packaging.pylock import Pylock
from packaging.version import Version

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.contents.layer_json import describe_layer
from hatch_venvstacks.deployment.published import FORMAT, to_json
from hatch_venvstacks.model.lock import Lock, LockInputs
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeOrigin
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.stack import LockedLayer, Stack

SITE = "lib/python3.11/site-packages"


def spec(name: str, kind: LayerKind) -> LayerSpec:
    return LayerSpec(Path("/secret") / name, f"project-{name}", name, kind)


APP = spec("app", LayerKind.APPLICATION)
BELOW = (spec("base", LayerKind.FRAMEWORK), spec("rt", LayerKind.RUNTIME))
PLANS = [
    Plan(
        kind=PlanKind.DISTRIBUTION,
        name="b-dist",
        version="2.0",
        members=(
            *(Member("bin/zeta", b""), Member("bin/alpha", b""), Member("bin/sub/deep", b"")),
            *(Member(f"{SITE}/b.py", b""), Member("share/bin/no", b"")),
        ),
    ),
    Plan(PlanKind.DISTRIBUTION, "app", "1.0", (Member("bin/app", b""),)),
    Plan(PlanKind.PROJECT, "app", "1.0", (Member(f"{SITE}/launch.py", b""),)),
]


def lock_at(path: Path) -> Lock:
    pylock = Pylock(lock_version=Version("1.0"), created_by="x", packages=[])
    return Lock(path, pylock, LockInputs(("linux_x86_64",), ()))


def layer(stack: Stack, platform: str = "linux_x86_64") -> LockedLayer:
    cpython: Any = SimpleNamespace(locked=LockedRuntime(RuntimeOrigin.STANDALONE, "3.11.13"))
    locks = {spec.name: lock_at(Path("/secret/lock")) for spec in stack.layers}
    return LockedLayer(stack, locks, PLATFORMS[platform], cpython)


def test_layer_json_of_an_application() -> None:
    relies_on = [{"name": "rt", "distributions": [], "libraries": []}]
    found = layer(Stack(APP, BELOW))
    assert describe_layer(found, "1.5", PLANS, "app.cli", relies_on) == {
        "format": FORMAT,
        "name": "app",
        "version": "1.5",
        "kind": "application",
        "platform": "linux_x86_64",
        "python": {"implementation": "cpython", "version": "3.11.13", "abi": "cp311"},
        "executable": "bin/python",
        "site_packages": SITE,
        "base_layers": [
            {"name": "base", "kind": "framework", "path": "../base"},
            {"name": "rt", "kind": "runtime", "path": "../rt"},
        ],
        "relies_on": [{"name": "rt", "distributions": [], "libraries": []}],
        "distributions": [
            {"name": "b-dist", "version": "2.0"},
            {"name": "app", "version": "1.0"},
        ],
        "scripts": ["alpha", "app", "sub/deep", "zeta"],
        "launch": {"module": "app.cli"},
        "postinstall": None,
    }


def test_layer_json_of_a_runtime() -> None:
    found = describe_layer(layer(Stack(BELOW[1], ())), "1", [], None)
    assert found["executable"] == "bin/python3.11"
    assert found["base_layers"] == found["distributions"] == found["scripts"] == []
    assert found["launch"] is None


def test_layer_json_for_windows() -> None:
    names = ("Scripts/b.exe", "Scripts/a.py", "Scripts/c", "bin/d.exe", "Scripts/c.exe")
    plans = [Plan(PlanKind.DISTRIBUTION, "app", "1.0", tuple(Member(n, b"") for n in names))]
    found = describe_layer(layer(Stack(APP, BELOW), "win_amd64"), "1", plans, None)
    assert found["platform"] == "win_amd64"
    assert found["executable"] == "Scripts/python.exe"
    assert found["site_packages"] == "Lib/site-packages"
    assert found["scripts"] == ["a.py", "b", "c"]
    assert found["postinstall"] == "postinstall.py"
    found = describe_layer(layer(Stack(BELOW[1], ()), "win_amd64"), "1", [], None)
    assert (found["executable"], found["postinstall"]) == ("python.exe", None)


def test_layer_json_names_no_place_of_the_build() -> None:
    found = describe_layer(layer(Stack(APP, BELOW)), "1", PLANS, None)
    assert b"secret" not in to_json(found)
    assert json.loads(to_json(found)) == found
