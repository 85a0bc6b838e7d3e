"""Layers with named indexes, as values, and the indexes that they are resolved from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.spec import LayerKind, LayerSpec, PackageSource, UvSettings
from hatch_venvstacks.model.stack import build_stack
from hatch_venvstacks.sources.indexes import ResolutionIndexes, resolution_indexes

REPO = Path("/repo")
CPU = Index("torch-cpu", "https://torch.example/cpu", explicit=True)
CU = Index("torch-cu", "https://torch.example/cu126", explicit=True)
CORP = Index("corp", "https://corp.example/simple", default=True)
EXTRA = Index("extra", "https://extra.example/simple")
TORCH_CPU = PackageSource("torch", index="torch-cpu")
LINUX = "sys_platform == 'linux'"


def layer(
    name: str,
    *base: LayerSpec,
    indexes: tuple[Index, ...] = (),
    sources: tuple[PackageSource, ...] = (),
    uv: dict[str, Any] | None = None,
    **options: Any,
) -> LayerSpec:
    """A layer on ``base``; ``uv`` is the rest of its :class:`UvSettings`."""
    return LayerSpec(
        root=REPO / name,
        project_name=name,
        name=name,
        kind=LayerKind.FRAMEWORK if base else LayerKind.RUNTIME,
        base_layers=tuple(one.root for one in base),
        uv=UvSettings(indexes, sources, **(uv or {})),
        **options,
    )


RUNTIME = layer("py")
CPU_FW = layer("cpu", RUNTIME, indexes=(CPU,), package_indexes={"torch": "torch-cpu"})
CU_FW = layer("cu", RUNTIME, indexes=(CU,), package_indexes={"torch": "torch-cu"})


def found(top: LayerSpec, *others: LayerSpec) -> ResolutionIndexes:
    """What ``top`` is resolved from, where ``others`` are further layers of its stack."""
    layers = {one.root: one for one in (RUNTIME, CPU_FW, CU_FW, *others)}
    return resolution_indexes(top, build_stack(top, layers.__getitem__).below)


def refused(top: LayerSpec, *others: LayerSpec) -> ConfigError:
    """Why there is nothing that ``top`` can be resolved from."""
    with pytest.raises(ConfigError) as caught:
        found(top, *others)
    return caught.value
