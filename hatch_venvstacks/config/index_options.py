"""The options that say which named index serves what: ``package-indexes`` and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_venvstacks.config.uv.tables import is_index_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_venvstacks.config.table import Table


class IndexOptions(NamedTuple):
    """The fields of the same names of :class:`~hatch_venvstacks.model.spec.LayerSpec`."""

    package_indexes: Mapping[str, str]
    index_overrides: Mapping[str, str]
    priority_indexes: tuple[str, ...]


def read_index_options(options: Table) -> IndexOptions:
    """The three options; faults are noted in the table.

    Whether there are indexes of these names is known only with the layers below
    (:mod:`hatch_venvstacks.sources.indexes`).
    """
    return IndexOptions(
        dict(_packages(options)), dict(_overrides(options)), tuple(_priorities(options))
    )


def _packages(options: Table) -> Iterator[tuple[str, str]]:
    from packaging.utils import InvalidName, canonicalize_name

    seen: dict[str, str] = {}
    for key, index in _names(options, "package-indexes"):
        place = f"Field {options.field(f'package-indexes.{key}')}"
        try:
            name = canonicalize_name(key, validate=True)
        except InvalidName:
            options.note_fault(f"{place} is not the name of a package")
            continue
        if name in seen:
            options.note_fault(f"{place} is there already, as `{seen[name]}`")
        seen[name] = key
        yield name, index


def _overrides(options: Table) -> Iterator[tuple[str, str]]:
    overrides = dict(_names(options, "index-overrides"))
    for replaced, counts in overrides.items():
        place = f"Field {options.field(f'index-overrides.{replaced}')}"
        if not is_index_name(replaced):
            options.note_fault(f"{place} is not the name of an index")
        elif counts != replaced and overrides.get(counts, counts) != counts:
            options.note_fault(
                f"{place} names an index that is itself replaced, by `{overrides[counts]}`:"
                f" `{counts}`"
            )
        yield replaced, counts


def _names(options: Table, option: str) -> Iterator[tuple[str, str]]:
    """A table whose values are names of indexes."""
    table = options.options.get(option, {})
    if not isinstance(table, dict):
        options.note_fault(f"Field {options.field(option)} must be a table of strings")
        return
    for key, value in table.items():
        place = f"Field {options.field(f'{option}.{key}')}"
        if not isinstance(value, str):
            options.note_fault(f"{place} must be a string")
        elif not is_index_name(value):
            options.note_fault(f"{place} must be the name of an index: `{value}`")
        else:
            yield key, value


def _priorities(options: Table) -> Iterator[str]:
    seen: set[str] = set()
    for place, name in options.strings("priority-indexes", "Index") or []:
        if not is_index_name(name):
            options.note_fault(f"{place} must be the name of an index: `{name}`")
        elif name in seen:
            options.note_fault(f"{place} is there already: `{name}`")
        else:
            seen.add(name)
            yield name
