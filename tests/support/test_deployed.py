from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from deployed import unpack_all
from members import kept_in, plan

from hatch_venvstacks.archives.archive import pack
from hatch_venvstacks.archives.plan import Member
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("archive_format", ArchiveFormat)
def test_archives_of_all_formats_are_unpacked(
    tmp_path: Path, archive_format: ArchiveFormat
) -> None:
    archives = []
    for name in ("one", "two"):
        work = tmp_path / name
        work.mkdir()
        path = work / f"a{archive_format.suffix}"
        plans = [plan(Member("bin/run", name.encode()), name=name)]
        shelf = kept_in(tmp_path / "cache", name, archive_format)
        archives.append(pack(plans, shelf, path, work).path)
    root = unpack_all(archives, tmp_path / "root")
    for name in ("one", "two"):
        assert (root / name / "bin/run").read_bytes() == name.encode()
