from __future__ import annotations

from pathlib import Path

import pytest
from interpreters import MINORS
from layer_specs import DIAMOND, stack_of

from hatch_venvstacks.archives.plan import PlanKind
from hatch_venvstacks.composition.startup import (
    LAST_FILE,
    PATH_FILE,
    START_MODULE,
)
from hatch_venvstacks.composition.wiring import wiring_plan
from hatch_venvstacks.deployment import postinstall
from hatch_venvstacks.deployment.published import LAYER_JSON
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

LINUX = layout_of(PLATFORMS["linux_x86_64"], "3.12")


def is_new(minor: str) -> bool:
    """Whether `site` is that of CPython 3.15 and later."""
    return int(minor.partition(".")[2]) >= 15


def test_members(tmp_path: Path) -> None:
    plan = wiring_plan(stack_of(tmp_path, "app", DIAMOND), LINUX, {"é": ["ü"], "a": 1})
    members = {member.path: member for member in plan.members}
    assert list(members) == sorted(members)
    assert (plan.kind, plan.name, plan.version) == (PlanKind.WIRING, "app", "")
    assert members["bin/python"].link == members["bin/python3"].link == "python3.12"
    assert members["bin/python3.12"].link == "../../runtime/bin/python3.12"
    assert members["pyvenv.cfg"].content == (
        b"include-system-site-packages = false\nversion = 3.12\n"
    )
    assert members[LAYER_JSON].content == '{\n  "é": [\n    "ü"\n  ],\n  "a": 1\n}\n'.encode()
    text = members[f"{LINUX.site_packages}/{PATH_FILE}"].content
    assert isinstance(text, bytes)
    lines = text.decode("ascii").splitlines()
    assert lines == [
        f"../../../../{name}/lib/python3.12/site-packages" for name in ("left", "right", "runtime")
    ]
    last = members[f"{LINUX.site_packages}/{LAST_FILE}"].content
    assert last == b"import _venvlayer; _venvlayer.run()\n"
    assert not any(member.executable for member in plan.members)
    assert str(tmp_path).encode() not in b"".join(
        member.content for member in plan.members if isinstance(member.content, bytes)
    )


def test_members_for_windows(tmp_path: Path) -> None:
    layout = layout_of(PLATFORMS["win_arm64"], "3.12")
    plan = wiring_plan(stack_of(tmp_path, "app", DIAMOND), layout, {})
    members = {member.path: member for member in plan.members}
    path_file = f"Lib/site-packages/{PATH_FILE}"
    assert list(members) == [
        path_file,
        f"Lib/site-packages/{START_MODULE}.py",
        f"Lib/site-packages/{LAST_FILE}",
        "postinstall.py",
        LAYER_JSON,
    ]
    assert not any(member.link for member in plan.members)
    program = Path(postinstall.__file__).read_bytes()
    assert members["postinstall.py"].content == program
    other = wiring_plan(stack_of(tmp_path, "left", DIAMOND), layout, {})
    assert [one.content for one in other.members if one.path == "postinstall.py"] == [program]
    text = members[path_file].content
    assert isinstance(text, bytes)
    assert text.decode("ascii").splitlines()[:3] == [
        f"../../../{name}/Lib/site-packages" for name in ("left", "right", "runtime")
    ]
    runtime = wiring_plan(stack_of(tmp_path, "runtime", DIAMOND), layout, {})
    assert [member.path for member in runtime.members] == [LAYER_JSON]


@pytest.mark.parametrize("minor", MINORS)
def test_members_of_a_runtime(tmp_path: Path, minor: str) -> None:
    layout = layout_of(PLATFORMS["linux_x86_64"], minor)
    plan = wiring_plan(stack_of(tmp_path, "runtime", DIAMOND), layout, {})
    # So that the site directory is there.
    more = [f"{layout.site_packages}/{START_MODULE}.txt"] if is_new(minor) else []
    assert [member.path for member in plan.members] == [*more, LAYER_JSON]
