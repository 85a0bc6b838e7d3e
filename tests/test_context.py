from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.environment_variables import environment_options, named_platforms
from hatch_venvstacks.model.archive_format import MEMBER_TIME
from hatch_venvstacks.model.context import (
    LOCKED,
    PLATFORM,
    SOURCE_DATE_EPOCH,
    UPGRADE,
    Context,
    Upgrade,
)
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.model.spec import LayerSpec


class Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def debug(self, message: str) -> None: ...


def context(root: Path) -> Context:
    def read(folder: Path) -> LayerSpec:
        raise AssertionError(folder)

    platform = PLATFORMS["linux_x86_64"]
    return Context(platform, platform, Store(root), Silent(), read, read)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((None, False), ("", False), ("0", False), ("false", False), ("FALSE", False)),
        *(("1", True), ("true", True), ("True", True)),
    ],
)
def test_locked(value: str | None, expected: bool) -> None:
    environ = {} if value is None else {LOCKED: value}
    assert environment_options(environ) == {"locked": expected}


@pytest.mark.parametrize("value", ["2", "yes", " ", "1 ", "on", "ja", "\n", "TRU\u0130"])
def test_locked_with_another_value(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        environment_options({LOCKED: value})
    assert f"`{LOCKED}`" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("value", ["0", "1", "315532800", "1700000000", str(8**11 - 1), "007"])
def test_source_date_epoch(value: str) -> None:
    options = environment_options({SOURCE_DATE_EPOCH: value})
    assert options == {"locked": False, "mtime": int(value)}


@pytest.mark.parametrize("value", [None, ""])
def test_source_date_epoch_unset(value: str | None) -> None:
    environ = {} if value is None else {SOURCE_DATE_EPOCH: value}
    assert "mtime" not in environment_options(environ)


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "+1",
        "1.0",
        "1e9",
        "now",
        " 1",
        "1_000",
        "\u0661",
        "\u00b2",
        str(8**11),
        "9" * 5000,
        "0x1",
    ],
)
def test_source_date_epoch_with_another_value(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        environment_options({SOURCE_DATE_EPOCH: value})
    assert f"`{SOURCE_DATE_EPOCH}`" in caught.value.message
    assert caught.value.hint


def test_other_variables_do_not_matter() -> None:
    assert environment_options({"PATH": "x", LOCKED.lower(): "1"}) == {"locked": False}


def test_default_time(tmp_path: Path) -> None:
    assert context(tmp_path).mtime == MEMBER_TIME


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("all", Upgrade(everything=True)),
        ("1", Upgrade(everything=True)),
        ("True", Upgrade(everything=True)),
        ("0", Upgrade()),
        ("Some_Thing, other", Upgrade(names=frozenset({"some-thing", "other"}))),
    ],
)
def test_upgrade(value: str, expected: Upgrade) -> None:
    assert environment_options({UPGRADE: value})["upgrade"] == expected


def test_nothing_to_upgrade() -> None:
    for environ in ({}, {UPGRADE: ""}):
        assert "upgrade" not in environment_options(environ)
    assert not Upgrade()
    assert not Upgrade(names=frozenset({"a"})).includes("b")
    assert Upgrade(everything=True).includes("b")


@pytest.mark.parametrize("value", ["a b", "all,!", "numpy==2"])
def test_upgrade_with_another_value(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        environment_options({UPGRADE: value})
    assert f"`{UPGRADE}`" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (" ", None),
        (",", None),
        ("win_amd64,,", ("win_amd64",)),
        ("all", ()),
        ("win_amd64", ("win_amd64",)),
        ("win_amd64, linux_x86_64,win_amd64", ("linux_x86_64", "win_amd64")),
    ],
)
def test_platforms(value: str | None, expected: tuple[str, ...] | None) -> None:
    assert named_platforms({} if value is None else {PLATFORM: value}) == expected


@pytest.mark.parametrize("value", ["linux", "all,win_amd64", "WIN_AMD64"])
def test_platforms_that_are_none(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named_platforms({PLATFORM: value})
    assert f"`{PLATFORM}`" in caught.value.message
    assert "all" in caught.value.hint
