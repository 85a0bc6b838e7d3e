from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from distribution_files import HOST, handmade

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.contents.prefix import read_prefix

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", ["../../../../outside", "/etc/hostname", "..\\..\\..\\..\\x"])
def test_record_that_leaves_the_prefix(tmp_path: Path, path: str) -> None:
    handmade(tmp_path, "one", f"{path},,\n")
    with pytest.raises(BuildError) as caught:
        read_prefix(tmp_path, HOST)
    assert f"`{path}`".replace("\\", "/") in caught.value.message
    assert "`one`" in caught.value.message
