"""Archives and metadata are the same bytes wherever they are built: the short form.

``hatch run identities`` is the long form, with one circumstance at a time.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from identity import OTHERWISE, build, make_origin, not_served, warm_up, wrong_records
from workplace import difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from front_end import FrontEnds
    from identity import Origin
    from workplace import Files

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("identity")]


@pytest.fixture(scope="module")
def origin(front_ends: FrontEnds, tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return make_origin(front_ends, tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def usual(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return warm_up(origin, tmp_path_factory.mktemp("usual"))


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can enter; those of pytest are for one."""
    with tempfile.TemporaryDirectory(prefix="identity-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.mark.parametrize("warm", [False, True], ids=["empty store", "warm store"])
def test_everything_else_is_different(
    origin: Origin, usual: Files, public: Path, warm: bool
) -> None:
    how = replace(OTHERWISE, warm=warm)
    assert difference(build(origin, public / "other", how), usual) == []
    assert len(usual) == 6


def test_what_is_unpacked_is_what_the_records_say(usual: Files, tmp_path: Path) -> None:
    archives = [name for name in usual if not name.endswith(".json")]
    records = 0
    for name in archives:
        (tmp_path / name).write_bytes(usual[name])
        assert [*wrong_records(tmp_path / name, tmp_path / "unpacked" / name)] == []
        records += len([*(tmp_path / "unpacked" / name).rglob("RECORD")])
    assert (len(archives), records) == (3, 5)


def test_a_store_serves_other_checkouts(origin: Origin, usual: Files, tmp_path: Path) -> None:
    assert usual
    assert not_served(origin, tmp_path / "later") == []
