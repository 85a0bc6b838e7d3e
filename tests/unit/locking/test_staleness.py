from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from locks import SHA, lock, package, wheel

from hatch_venvstacks.locking.staleness import changed_wheels, python_changes, staleness
from hatch_venvstacks.model.lock import requires_python
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import (
    LockedRuntime,
    RuntimeArchive,
    RuntimeOrigin,
    RuntimeRequest,
)
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.store.store import Store

LINUX, MAC = "linux_x86_64", "macosx_arm64"
HERE = [PLATFORMS[LINUX]]
STANDALONE, HOST, ARCHIVE = (
    RuntimeOrigin.STANDALONE,
    RuntimeOrigin.HOST,
    RuntimeOrigin.ARCHIVE,
)


def spec(*requirements: str, **more: Any) -> LayerSpec:
    layer = LayerSpec(Path("/p"), "p", "p", LayerKind.FRAMEWORK, requirements=requirements)
    return replace(layer, **more)


def test_fresh() -> None:
    below = {LINUX: {"a": "1", "b": ""}}
    value = lock(requirements=("a", "c"), below=below)
    assert staleness(value, spec("a", "c"), HERE, {LINUX: {"a": "1"}}) == []
    assert staleness(value, spec("c", "a"), HERE, {LINUX: {"a": "1", "unrelated": "7"}}) == []
    assert staleness(value, spec("a", "c"), [], {}) == [f"platform removed: {LINUX}"]


@pytest.mark.parametrize(
    ("now", "provided", "expected"),
    [
        (("a>=1", "new"), {"a": "1"}, ["requirement added: new"]),
        ((), {"a": "1"}, ["requirement removed: a>=1"]),
        (("a>=2",), {"a": "1"}, ["requirement added: a>=2", "requirement removed: a>=1"]),
        (("a>=1",), {"a": "2"}, ["the layer below now holds a 2, it was 1"]),
        (("a>=1",), {}, ["no layer below holds a any more, it was 1"]),
        (("a>=1",), {"a": "1", "b": "3"}, ["a layer below now holds b 3"]),
        (("a>=1",), {"b": "3"}, [
            "no layer below holds a any more, it was 1", "a layer below now holds b 3"]),
    ],
)  # fmt: skip
def test_stale(now: tuple[str, ...], provided: dict[str, str], expected: list[str]) -> None:
    value = lock(requirements=("a>=1",), below={LINUX: {"a": "1", "b": ""}})
    assert staleness(value, spec(*now), HERE, {LINUX: provided}) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (
            *("1 requires abc", "1 requires def"),
            "the requirements of a 1, which a layer below holds, have changed",
        ),
        ("1 requires abc", "2 requires abc", "the layer below now holds a 2, it was 1"),
        ("", "dynamic requires abc", "a layer below now holds a of a computed version"),
        ("2 over 1", "2 requires abc", "the layer below now holds a 2, it was 2 over 1"),
        ("1 requires abc", "", "no layer below holds a any more, it was 1"),
    ],
)
def test_stale_by_requirements(before: str, now: str, expected: str) -> None:
    value = lock(below={LINUX: {"a": before}})
    assert staleness(value, spec(), HERE, {LINUX: {"a": now} if now else {}}) == [expected]


def test_stale_platform() -> None:
    assert staleness(lock(), spec(), [*HERE, PLATFORMS[MAC]], {}) == [f"platform added: {MAC}"]


def archives(url: str = "https://x.org/a", **more: str) -> dict[str, RuntimeArchive]:
    return {LINUX: RuntimeArchive(url, more.get("sha256", SHA))}


@pytest.mark.parametrize(
    ("request_", "locked", "expected"),
    [
        (None, None, []),
        (RuntimeRequest(HOST), LockedRuntime(HOST, "3.11"), []),
        (RuntimeRequest(HOST, "3.11"), LockedRuntime(HOST, "3.11"), []),
        (RuntimeRequest(HOST, "3.11.7"), LockedRuntime(HOST, "3.11"), []),
        (RuntimeRequest(STANDALONE, "3.11"), LockedRuntime(STANDALONE, "3.11.13"), []),
        (RuntimeRequest(STANDALONE, "3.11.13"), LockedRuntime(STANDALONE, "3.11.13"), []),
        (RuntimeRequest(HOST), None, ["`kind` has changed"]),
        (None, LockedRuntime(HOST, "3.11"), ["`kind` has changed"]),
        (
            *(RuntimeRequest(STANDALONE, "3.11"), LockedRuntime(HOST, "3.11")),
            ["`python-source` is now python-build-standalone, was host"],
        ),
        (
            *(RuntimeRequest(HOST, "3.12"), LockedRuntime(HOST, "3.11")),
            ["`python` is now 3.12, was 3.11"],
        ),
        (
            *(RuntimeRequest(HOST, "3.1"), LockedRuntime(HOST, "3.11")),
            ["`python` is now 3.1, was 3.11"],
        ),
        (
            *(RuntimeRequest(STANDALONE, "3.11.14"), LockedRuntime(STANDALONE, "3.11.13")),
            ["`python` is now 3.11.14, was 3.11.13"],
        ),
        (
            *(RuntimeRequest(STANDALONE, "3.11.1"), LockedRuntime(STANDALONE, "3.11.13")),
            ["`python` is now 3.11.1, was 3.11.13"],
        ),
        (
            RuntimeRequest(ARCHIVE, "3.11", archives()),
            LockedRuntime(ARCHIVE, "3.11.7", archives()),
            [],
        ),
        (
            RuntimeRequest(ARCHIVE, "3.11", archives("https://x.org/b")),
            LockedRuntime(ARCHIVE, "3.11.7", archives()),
            [f"`python-source` has another archive for {LINUX}"],
        ),
        (
            RuntimeRequest(ARCHIVE, "3.11", archives(sha256="1" * 64)),
            LockedRuntime(ARCHIVE, "3.11.7", archives()),
            [f"`python-source` has another archive for {LINUX}"],
        ),
    ],
)
def test_stale_runtime(
    request_: RuntimeRequest | None, locked: LockedRuntime | None, expected: list[str]
) -> None:
    assert staleness(lock(runtime=locked), spec(runtime=request_), HERE, {LINUX: {}}) == expected


@pytest.mark.parametrize(
    ("locked", "now", "fits"),
    [
        ("3.11.13", "3.11.13", True),
        ("3.11.13", "3.11.14", True),
        ("3.11.13", "3.11.7", False),
        ("3.11.13", "3.12.0", False),
        ("3.11", "3.11", True),
        ("3.9", "3.10", False),
        ("3.14.0", "3.14.0", True),
    ],
)
def test_python_of_the_runtime(locked: str, now: str, fits: bool) -> None:
    value = lock()
    wanted = requires_python(LockedRuntime(STANDALONE, locked))
    value = replace(value, pylock=replace(value.pylock, requires_python=wanted))
    changes = python_changes(value, LockedRuntime(STANDALONE, now))
    assert (changes == []) is fits
    assert fits or (now in changes[0] and locked in changes[0])


def test_lock_for_any_python() -> None:
    assert python_changes(lock(), LockedRuntime(HOST, "3.12")) == []


def test_all_local_wheels_that_have_changed(tmp_path: Path) -> None:
    files = [f"thing-1.0-py3-none-{tag}.whl" for tag in ("any", "win_amd64")]
    (tmp_path / files[0]).write_bytes(b"another")
    wheels = [wheel(file.split("-", 2)[2][:-4], path=file) for file in files]
    value = lock(package(*wheels), path=tmp_path / "pylock.toml")
    assert changed_wheels(value, Store(tmp_path / "store")) == {
        "thing": [
            f"the local wheel has changed: {files[0]}",
            f"the local wheel is gone: {files[1]}",
        ]
    }


def test_what_depends_on_a_patch_release() -> None:
    value = lock(release="3.11.5")
    assert python_changes(value, LockedRuntime(STANDALONE, "3.11.5")) == []
    assert python_changes(value, LockedRuntime(HOST, "3.11"), "3.11.5") == []
    line = "the runtime is CPython 3.11.7, and what is needed was found for 3.11.5"
    assert python_changes(value, LockedRuntime(STANDALONE, "3.11.7")) == [line]
    assert python_changes(value, LockedRuntime(HOST, "3.11"), "3.11.7") == [line]
