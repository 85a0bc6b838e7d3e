from __future__ import annotations

import pytest
from layer_tables import RUNTIME, T, faults, parse


class TestPlatforms:
    def test_platforms(self) -> None:
        table = {
            **RUNTIME,
            "platforms": ["win_amd64", "linux_x86_64"],
            "linux-target": "glibc@2.17",
            "macos-target": "12.3",
            "exclude-packages": ["Some_Thing", "other"],
        }
        spec = parse(table)
        assert spec.platforms == ("linux_x86_64", "win_amd64")
        assert [str(one) for one in spec.oldest_systems.named] == ["glibc 2.17", "macOS 12.3"]
        assert spec.exclude_packages == ("other", "some-thing")

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("glibc@2.31", ["glibc 2.31"]),
            ("musl@1.1", ["musl 1.1"]),
            (["musl@1.2"], ["musl 1.2"]),
            (["musl@1.1", "glibc@2.28"], ["musl 1.1", "glibc 2.28"]),
        ],
    )
    def test_c_libraries(self, value: object, expected: list[str]) -> None:
        spec = parse({**RUNTIME, "linux-target": value})
        assert [str(one) for one in spec.oldest_systems.named] == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (
                ["glibc@2.28", "glibc@2.31"],
                [
                    (
                        f"Release #2 in field `{T}.linux-target` is another release of glibc:"
                        " `glibc@2.31`"
                    )
                ],
            ),
            (
                ["uclibc@1.0", "musl@1.3", "glibc@2.12", 1, ""],
                [
                    f"Release #4 in field `{T}.linux-target` must be a string",
                    f"Release #5 in field `{T}.linux-target` cannot be an empty string",
                    (
                        f"Release #1 in field `{T}.linux-target` must be a release of glibc such"
                        " as `glibc@2.28` or of musl such as `musl@1.2`, not `uclibc@1.0`"
                    ),
                    (
                        f"Release #2 in field `{T}.linux-target` must be from `musl@1.1` to"
                        " `musl@1.2`, not `musl@1.3`"
                    ),
                    (
                        f"Release #3 in field `{T}.linux-target` must be from `glibc@2.17` to"
                        " `glibc@2.40`, not `glibc@2.12`"
                    ),
                ],
            ),
            ([], [f"Field `{T}.linux-target` must name a release"]),
            (2.28, [f"Field `{T}.linux-target` must be a string or an array of strings"]),
            ("", [f"Field `{T}.linux-target` cannot be an empty string"]),
        ],
    )
    def test_c_libraries_refused(self, value: object, expected: list[str]) -> None:
        assert faults({**RUNTIME, "linux-target": value}) == expected

    @pytest.mark.parametrize("value", [["13.0"], 13.0])
    def test_one_release_of_macos(self, value: object) -> None:
        assert faults({**RUNTIME, "macos-target": value}) == [
            f"Field `{T}.macos-target` must be a string"
        ]

    @pytest.mark.parametrize(
        ("option", "value", "expected"),
        [
            (
                "platforms",
                ["linux_x86-64"],
                (
                    f"Platform #1 in field `{T}.platforms` is no target platform:"
                    " `linux_x86-64`; did you mean `linux_x86_64`?"
                ),
            ),
            (
                "platforms",
                ["win_amd64", "win_amd64"],
                f"Platform #2 in field `{T}.platforms` is there already: `win_amd64`",
            ),
            ("platforms", [], f"Field `{T}.platforms` must name a target platform"),
            (
                "linux-target",
                "2.28",
                (
                    f"Field `{T}.linux-target` must be a release of glibc such as `glibc@2.28` or"
                    " of musl such as `musl@1.2`, not `2.28`"
                ),
            ),
            (
                "linux-target",
                "glibc@2.41",
                (
                    f"Field `{T}.linux-target` must be from `glibc@2.17` to `glibc@2.40`, not"
                    " `glibc@2.41`"
                ),
            ),
            (
                "macos-target",
                "10.8",
                (
                    f"Field `{T}.macos-target` must be a release of macOS such as `13.0`, not older"
                    " than 10.9: `10.8`"
                ),
            ),
            (
                "exclude-packages",
                ["numpy"],
                (
                    f"Package #1 in field `{T}.exclude-packages` is required by the layer itself:"
                    " `numpy`"
                ),
            ),
            (
                "exclude-packages",
                ["a b"],
                f"Package #1 in field `{T}.exclude-packages` is not a name of a package: `a b`",
            ),
            (
                "exclude-packages",
                ["a_b", "A-B"],
                f"Package #2 in field `{T}.exclude-packages` is there already: `A-B`",
            ),
        ],
    )
    def test_platform_faults(self, option: str, value: object, expected: str) -> None:
        assert faults({**RUNTIME, option: value}, dependencies=("numpy",)) == [expected]
