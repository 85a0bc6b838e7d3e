from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.environment_variables import (
    LOCKED,
    PLATFORM,
    SOURCE_DATE_EPOCH,
    UPGRADE,
    cache_size,
    default_root,
    locking_options,
    named_platforms,
    source_date,
)
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.workshop import LockingOptions, Upgrade
from hatch_venvstacks.store.eviction import DEFAULT_SIZE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((None, False), ("", False), ("0", False), ("false", False), ("FALSE", False)),
        *(("1", True), ("true", True), ("True", True)),
    ],
)
def test_locked(value: str | None, expected: bool) -> None:
    environ = {} if value is None else {LOCKED: value}
    assert locking_options(environ) == LockingOptions(locked=expected)


@pytest.mark.parametrize("value", ["2", "yes", " ", "1 ", "on", "ja", "\n", "TRU\u0130"])
def test_locked_with_another_value(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        locking_options({LOCKED: value})
    assert f"`{LOCKED}`" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("value", ["0", "1", "315532800", "1700000000", str(8**11 - 1), "007"])
def test_source_date_epoch(value: str) -> None:
    assert source_date({SOURCE_DATE_EPOCH: value}) == int(value)


@pytest.mark.parametrize("value", [None, ""])
def test_source_date_epoch_unset(value: str | None) -> None:
    environ = {} if value is None else {SOURCE_DATE_EPOCH: value}
    assert source_date(environ) == MEMBER_TIME


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
        source_date({SOURCE_DATE_EPOCH: value})
    assert f"`{SOURCE_DATE_EPOCH}`" in caught.value.message
    assert caught.value.hint


def test_other_variables_do_not_matter() -> None:
    assert locking_options({"PATH": "x", LOCKED.lower(): "1"}) == LockingOptions()
    assert source_date({SOURCE_DATE_EPOCH.lower(): "1"}) == MEMBER_TIME


@pytest.mark.parametrize("value", ["a b", "all,!", "numpy==2"])
def test_upgrade_with_another_value(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        locking_options({UPGRADE: value})
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


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HATCH_VENVLAYER_CACHE", str(tmp_path / "own"))
    assert default_root() == tmp_path / "own"
    monkeypatch.delenv("HATCH_VENVLAYER_CACHE")
    assert default_root().name == "hatch-venvstacks"
    assert default_root().is_absolute()


@pytest.mark.parametrize("text", ["~no-such-user/cache", "/any/\udcff"])
def test_what_cannot_be_a_folder(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HATCH_VENVLAYER_CACHE", text)
    with pytest.raises(ConfigError, match="`HATCH_VENVLAYER_CACHE` is `") as caught:
        default_root()
    assert caught.value.message.isascii()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", DEFAULT_SIZE),
        ("0", 0),
        ("1234", 1234),
        ("500MB", 500_000_000),
        ("20GiB", 20 * 2**30),
        (" 1.5 gib ", 3 * 2**29),
        ("2k", 2000),
        ("1 TB", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert cache_size({"HATCH_VENVLAYER_CACHE_SIZE": text}) == size
    assert cache_size({}) == DEFAULT_SIZE


@pytest.mark.parametrize("text", ["much", "-1", "1 XB", "1,5 GB", "GiB", "9" * 400])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match=f"`HATCH_VENVLAYER_CACHE_SIZE` is `{text}`") as caught:
        cache_size({"HATCH_VENVLAYER_CACHE_SIZE": text})
    assert "20GiB" in caught.value.hint


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
    assert locking_options({UPGRADE: value}).upgrade == expected


def test_nothing_to_upgrade() -> None:
    for environ in ({}, {UPGRADE: ""}):
        assert not locking_options(environ).upgrade
    assert not Upgrade()
    assert not Upgrade(names=frozenset({"a"})).includes("b")
    assert Upgrade(everything=True).includes("b")
