"""Projects of the monorepo that a layer requires and that are no layers: its siblings.

``[tool.uv.sources]`` says where they lie. They are packed as wheels that are built from their
sources (:mod:`hatch_venvstacks.sources.sibling_wheel`); what a resolution needs to know of them is
read here. Where their ``pyproject.toml`` says it all, nothing is built for that.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_venvstacks.common.errors import ConfigError, words
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.model.formats.toml import TomlError, read_toml
from hatch_venvstacks.sources.dist_info import parse_metadata
from hatch_venvstacks.sources.local_wheels import is_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from hatch_venvstacks.model.spec import LayerSpec, PackageSource

    # Builds the wheel of the project in a folder, and gives the text of its METADATA file.
    BuildMetadata = Callable[[Path], str]

# What a resolution depends on; a build may compute whatever stands in `project.dynamic`.
_RESOLVED = frozenset(("version", "dependencies", "optional-dependencies", "requires-python"))


@dataclass(frozen=True)
class Sibling:
    """A project that a layer requires by ``[tool.uv.sources]``, itself or through another one.

    ``name`` is normalized, ``root`` its folder (absolute); ``requires`` are :pep:`508` strings,
    those of ``extras`` among them. ``marker`` says where it is taken from there, empty:
    everywhere. A version that is not ``static`` is computed by the project's build backend.
    """

    name: str
    root: Path
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str = ""
    static: bool = True
    marker: str = ""

    @property
    def metadata(self) -> str:
        """The text of a METADATA file that says what a resolution depends on.

        ``Requires-Python`` is not in it: :func:`python_fault` has better words than a resolver.
        """
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Provides-Extra: {extra}" for extra in self.extras]
        lines += [f"Requires-Dist: {requirement}" for requirement in self.requires]
        return "\n".join([*lines, "", ""])

    @property
    def digest(self) -> str:
        """A digest of all that a resolution depends on, save the version."""
        parts = ["\n".join(self.requires), "\n".join(self.extras), self.requires_python]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def find_siblings(spec: LayerSpec, build_metadata: BuildMetadata) -> tuple[Sibling, ...]:
    """The siblings that ``spec`` may require, itself or through one another, sorted by name.

    ``build_metadata`` is called for projects whose ``pyproject.toml`` does not say all.

    :raises ConfigError: where a folder holds no such project, or one that cannot be used.
    """
    found: dict[str, Sibling] = {}
    waiting = deque([(spec.requirements, spec.uv.sources)])
    while waiting:
        requirements, sources = waiting.popleft()
        names = {canonicalize_name(Requirement(text).name) for text in requirements}
        for source in sources:
            if source.name not in names:
                continue
            if source.path is None or is_wheel(source.path):
                _check_covered(source, spec)
                continue
            known = found.get(source.name)
            if known is not None:
                found[source.name] = _again(known, source.path, source.marker, spec)
                continue
            _refuse_itself(source.name, source.path, spec)
            document = _document(source.name, source.path, spec)
            sibling = _sibling(source.name, source.path, document, spec, build_metadata)
            found[source.name] = replace(sibling, marker=source.marker)
            waiting.append((sibling.requires, _sources(source.path, document, spec)))
    return tuple(found[name] for name in sorted(found))


def python_fault(sibling: Sibling, python: str) -> str:
    """Why ``sibling`` does not run on CPython ``python``, or nothing."""
    if SpecifierSet(sibling.requires_python).contains(python, prereleases=True):
        return ""
    return (
        f"`requires-python` of `{sibling.name}` is `{sibling.requires_python}`, but the runtime is"
        f" CPython {python}"
    )


def _again(sibling: Sibling, root: Path, marker: str, spec: LayerSpec) -> Sibling:
    if root.resolve() != sibling.root.resolve():
        first, second = (shown_path(place, spec.root) for place in (sibling.root, root))
        raise ConfigError(
            f"`{sibling.name}` comes from two folders for layer `{spec.name}`: `{first}` and"
            f" `{second}`",
            hint="Name one of them in `[tool.uv.sources]` of all projects",
        )
    if not sibling.marker or not marker:
        return replace(sibling, marker="")
    return replace(sibling, marker=str(Marker(sibling.marker) | Marker(marker)))


def _check_covered(source: PackageSource, spec: LayerSpec) -> None:
    """A sibling's own source that is no project counts only where the layer has one, too."""
    covered = {*spec.package_indexes, *(source.name for source in spec.uv.sources)}
    if source.name not in covered:
        fault = f": it {source.fault}" if source.fault else ""
        raise ConfigError(
            f"A project that layer `{spec.name}` requires takes `{source.name}` from a place of its"
            f" own (`[tool.uv.sources]`{fault}), which counts only where the layer says it as well",
            hint=f"Add `{source.name}` to `[tool.uv.sources]` of the layer",
        )


def _refuse_itself(name: str, root: Path, spec: LayerSpec) -> None:
    if root.resolve() == spec.root.resolve():
        raise ConfigError(
            f"`{name}`, which layer `{spec.name}` requires, is the project of the layer",
            hint="Set `include-project` to put a layer's own project into it",
        )


def _document(name: str, root: Path, spec: LayerSpec) -> Mapping[str, Any]:
    place = f"`{name}`, which layer `{spec.name}` requires, comes from `{root}`"
    if root.is_file():
        raise ConfigError(
            f"{place}, which is neither a folder nor a wheel",
            hint="Layers are never built from sdists: name the project's folder, or its wheel",
        )
    path = root / "pyproject.toml"
    if not path.is_file():
        what = "which has no file `pyproject.toml`" if root.is_dir() else "which does not exist"
        raise ConfigError(
            f"{place}, {what}",
            hint=f"Look at `tool.uv.sources` in `{spec.root / 'pyproject.toml'}`, and of the"
            " projects that it names",
        )
    try:
        return read_toml(path)
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise ConfigError(f"`{path}` cannot be read: {words(error)}") from error


def _sources(root: Path, document: Mapping[str, Any], spec: LayerSpec) -> tuple[PackageSource, ...]:
    from hatch_venvstacks.config.uv.project import read_uv_project
    from hatch_venvstacks.config.uv.tables import read_uv

    faults: list[str] = []
    project = document.get("project", {})
    settings = read_uv(
        read_uv_project(root, document), faults, features=project.get("optional-dependencies", {})
    )
    if faults:
        lines = "\n".join(f"  {line}" for line in faults)
        raise ConfigError(
            f"The project in `{root}`, which layer `{spec.name}` requires, is not valid:\n{lines}"
        )
    return settings.sources


def _sibling(
    name: str,
    root: Path,
    document: Mapping[str, Any],
    spec: LayerSpec,
    build_metadata: BuildMetadata,
) -> Sibling:
    project = document.get("project", {})
    try:
        if _is_static(project):
            sibling = _from_project(project, root)
        else:
            static = "version" in project and "version" not in project.get("dynamic", ())
            sibling = replace(_from_metadata(build_metadata(root), root), static=static)
    except (
        AttributeError,
        InvalidRequirement,
        InvalidSpecifier,
        InvalidVersion,
        TypeError,
    ) as error:
        raise ConfigError(
            f"The project in `{root}`, which layer `{spec.name}` requires, is not valid",
            detail=f"  {words(error)}",
        ) from error
    if sibling.name != name:
        raise ConfigError(
            f"`{name}`, which layer `{spec.name}` requires, comes from `{root}`, where the"
            f" project is `{sibling.name}`",
            hint="Use the project's own name in the requirement and in `[tool.uv.sources]`",
        )
    for text in sibling.requires:
        if Requirement(text).url:
            # Said without the address, which may hold a password.
            raise ConfigError(
                f"`{sibling.name}` in `{root}` has a direct reference"
                f" (`{Requirement(text).name} @ …`), which layers do not support",
                hint="Require it by name, and say in `[tool.uv.sources]` where it is",
            )
    return sibling


def _is_static(project: Mapping[str, Any]) -> bool:
    return {"name", "version"} <= project.keys() and not _RESOLVED & {*project.get("dynamic", ())}


def _from_project(project: Mapping[str, Any], root: Path) -> Sibling:
    """From a ``[project]`` table that says it all.

    Source: https://packaging.python.org/en/latest/specifications/pyproject-toml/.
    """
    requires = [Requirement(text) for text in _strings(project, "dependencies", "project")]
    optional = project.get("optional-dependencies", {})
    if not isinstance(optional, dict):
        raise TypeError("Field `project.optional-dependencies` must be a table")
    for extra in optional:
        condition = Marker(f"extra == '{canonicalize_name(extra)}'")
        for text in _strings(optional, extra, "project.optional-dependencies"):
            requirement = Requirement(text)
            marker = requirement.marker
            requirement.marker = condition if marker is None else marker & condition
            requires.append(requirement)
    return _normal(
        root,
        project["name"],
        project["version"],
        requires,
        optional,
        project.get("requires-python", ""),
    )


def _strings(table: Mapping[str, Any], key: str, place: str) -> list[str]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"Field `{place}.{key}` must be an array of strings")
    return values


def _from_metadata(text: str, root: Path) -> Sibling:
    """From a METADATA file."""
    metadata = parse_metadata(text)
    return _normal(
        root,
        metadata.name,
        metadata.version,
        [Requirement(requirement) for requirement in metadata.requires],
        metadata.extras,
        metadata.requires_python,
    )


def _normal(
    root: Path,
    name: str,
    version: str,
    requires: list[Requirement],
    extras: Iterable[str],
    requires_python: str,
) -> Sibling:
    # So that the same facts have the same digest, whichever way they were read.
    return Sibling(
        name=canonicalize_name(name),
        root=root,
        version=str(Version(version)),
        requires=tuple(sorted({str(requirement) for requirement in requires})),
        extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
        requires_python=str(SpecifierSet(requires_python)),
    )
