from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inventories import SITE, layer, part

from hatch_venvstacks.composition.file_checks import check_cases, check_files
from hatch_venvstacks.model.checks import Check, Finding
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from hatch_venvstacks.composition.inventory import LayerContents


def files(*layers: LayerContents) -> list[Finding]:
    return check_files(layers, SITE)


def test_files_with_two_owners() -> None:
    upper = layer("app", part("up", "/share/x", "/share/y", "p/data.txt", "six.py", "/bin/tool"))
    lower = layer("fw", part("low", "/share/x", "/share/y=up", "p/data.txt", "six.py"))
    (finding,) = files(upper, lower)
    assert finding.check == Check.FILE_CONFLICT
    assert finding.names == ("up", "low", "share/x", f"{SITE}/p/data.txt")
    assert finding.message == (
        "`up` in layer `app` and `low` in layer `fw` both have the file `share/x` and 1 more, with"
        " different content"
    )
    assert files(layer("z"), layer("app", *upper.parts, below=("fw",)), lower) == []
    # In one layer it is packed once, or is an error of its own.
    assert files(layer("app", *upper.parts, *lower.parts)) == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_names_that_differ_in_case(platform: str) -> None:
    upper = layer("app", part("up", "Shared/__init__.py", "One.py"))
    lower = layer("fw", part("low", "shared/__init__.py", "shared/more.py", "one.py"))
    findings = check_cases([upper, lower], SITE, PLATFORMS[platform])
    names = [one.names for one in findings]
    if PLATFORMS[platform].sys_platform == "linux":
        assert names == []
        return
    assert names == [("Shared", "shared", "up", "low"), ("One", "one", "up", "low")]
    assert "one site directory could not hold both" in findings[0].message
    known = layer("app", *upper.parts, below=("fw",))
    assert check_cases([layer("z"), known, lower], SITE, PLATFORMS[platform]) == []
