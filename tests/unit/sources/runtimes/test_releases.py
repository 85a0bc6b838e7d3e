from __future__ import annotations

import pytest

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.sources.runtimes.releases import find_release

# pbs-installer reads its table by a function that CPython 3.11 and 3.12 call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")


def test_a_minor_release_is_the_newest_that_all_have() -> None:
    linux = find_release("3.11", ["linux_x86_64"])
    both = find_release("3.11", ["linux_x86_64", "win_arm64"])
    assert int(linux.version.split(".")[2]) >= 13
    assert tuple(map(int, both.version.split("."))) <= tuple(map(int, linux.version.split(".")))
    # The last releases of 3.8 have no builds for all of the platforms on which the first ones ran.
    assert find_release("3.9", ["linux_x86_64", "macosx_x86_64"]).minor == "3.9"


@pytest.mark.parametrize(
    ("version", "platforms", "message", "detail"),
    [
        ("3.11.99", ["linux_x86_64"], "no CPython 3.11.99 for `linux_x86_64`", "3.11.12, 3.11.13"),
        ("3.99", ["linux_x86_64"], "no CPython 3.99 for `linux_x86_64`", "It has: 3.10, 3.11"),
        ("3.11.7", ["linux_x86_64", "win_arm64"], "for `win_arm64`", "`win_arm64` has 3.11.1"),
        ("3.10", ["win_arm64"], "no CPython 3.10 for `win_arm64`", "It has: 3.11, 3.12"),
    ],
)
def test_releases_that_there_are_not(
    version: str, platforms: list[str], message: str, detail: str
) -> None:
    with pytest.raises(RuntimeSourceError) as caught:
        find_release(version, platforms)
    assert message in caught.value.message
    assert detail in caught.value.detail
    assert "pbs-installer" in caught.value.hint


def test_a_release_without_a_hash_is_refused() -> None:
    with pytest.raises(RuntimeSourceError, match=r"No SHA-256 is known .* 3\.10\.0 for `linux_x86"):
        find_release("3.10.0", ["linux_x86_64"])
