from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from index_layers import (
    CORP,
    CPU,
    CU,
    LINUX,
    REPO,
)

from hatch_venvstacks.locking.index_changes import index_changes, index_inputs
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.lock import IndexInputs
from hatch_venvstacks.sources.indexes import ResolutionIndexes

FULL = ResolutionIndexes(
    indexes=(CORP, replace(CPU, url="file:///repo/wheels", flat=True), CU, Index("", "https://x")),
    sources={
        "torch": (("torch-cpu", LINUX), ("corp", "sys_platform != 'linux'")),
        "other": (("torch-cu", ""),),
    },
    exclude_newer="1 week",
    find_links=("file:///repo/links",),
    options={"prerelease": "allow"},
)
RECORDED = IndexInputs(
    indexes=(CORP, replace(CPU, url="../wheels", flat=True), Index("", "https://x")),
    sources={"torch": (f"torch-cpu ; {LINUX}", "corp ; sys_platform != 'linux'")},
    exclude_newer="1 week",
    find_links=("../links",),
    options={"prerelease": "allow"},
)


class TestInputs:
    def test_what_matters_to_the_layer(self) -> None:
        assert index_inputs(FULL, {"torch", "numpy"}, REPO / "fw") == RECORDED
        assert index_inputs(ResolutionIndexes(), {"torch"}, REPO) == IndexInputs()

    @pytest.mark.parametrize(
        ("change", "lines"),
        [
            ({}, []),
            (
                {"sources": {"torch": ("corp",)}},
                [
                    (
                        "`torch` is now taken from index `corp`, was"
                        f" `torch-cpu ; {LINUX}` and `corp ; sys_platform != 'linux'`"
                    )
                ],
            ),
            (
                {"sources": {"numpy": ("corp",), **RECORDED.sources}},
                ["`numpy` is now taken from index `corp`"],
            ),
            (
                {"indexes": (replace(CORP, url="https://new.example"), *RECORDED.indexes[1:])},
                [
                    "index `corp` is now https://new.example, was https://corp.example/simple",
                ],
            ),
            (
                {"indexes": RECORDED.indexes[1:]},
                ["index removed: `corp` (https://corp.example/simple)"],
            ),
            (
                {"indexes": (*RECORDED.indexes, Index("", "https://y"))},
                ["index added: https://y"],
            ),
            (
                {"indexes": (replace(CORP, default=False, flat=True), *RECORDED.indexes[1:])},
                [
                    "index `corp` (https://corp.example/simple) is no longer default",
                    "index `corp` (https://corp.example/simple) is flat",
                ],
            ),
            (
                {"indexes": RECORDED.indexes[::-1]},
                [
                    (
                        "indexes have another order: https://x, `torch-cpu` (../wheels), `corp`"
                        " (https://corp.example/simple)"
                    )
                ],
            ),
            ({"exclude_newer": ""}, ["`exclude-newer` is now not set, was 1 week"]),
            (
                {"find_links": ("../other",)},
                ["find-links added: ../other", "find-links removed: ../links"],
            ),
            ({"options": {}}, ["`tool.uv.prerelease` has changed"]),
        ],
    )
    def test_changes(self, change: dict[str, Any], lines: list[str]) -> None:
        assert index_changes(RECORDED, replace(RECORDED, **change)) == lines

    def test_no_longer_taken(self) -> None:
        before = IndexInputs(sources={"torch": ("corp",)})
        assert index_changes(before, IndexInputs()) == [
            "`torch` is no longer taken from index `corp`"
        ]
