"""A kind of contract that import-linter lacks: rooms that get along with the standard library.

`hatch check` runs import-linter with the contracts in `pyproject.toml`, which name this class.
Source of the interface: https://import-linter.readthedocs.io/en/stable/custom_contract_types/.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from grimp import ImportGraph


@dataclass(frozen=True, order=True)
class ForeignImport:
    """``importer`` imports what it may not, ``imported``, on these ``lines`` of its file."""

    importer: str
    imported: str
    lines: tuple[int, ...]

    def __str__(self) -> str:
        places = ", ".join(f"l.{line}" for line in self.lines)
        return f"{self.importer} -> {self.imported} ({places})"


class StandardLibraryContract(Contract):
    """The ``packages`` import the standard library, each other and what is ``allowed``, no more.

    The standard library is that of the Python that runs the check (``sys.stdlib_module_names``).
    What stands under ``TYPE_CHECKING`` or in a function counts as all imports do.
    """

    packages: Any = fields.ListField(subfield=fields.StringField())
    allowed: Any = fields.SetField(subfield=fields.StringField(), required=False, default=set())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at all imports of the packages.

        :raises ValueError: where a package does not exist, or the graph lacks what is not ours:
            the contract would be kept whatever is imported.
        """
        # import-linter passes on what the file says: "True" for TOML's true.
        if str(self.session_options.get("include_external_packages")).lower() != "true":
            raise ValueError("The contract needs `include_external_packages = true`")
        missing = sorted({*self.packages} - graph.modules)
        if missing:
            raise ValueError(f"No such package: {', '.join(missing)}")
        output.verbose_print(verbose, f"Looking at the imports of {', '.join(self.packages)}...")
        found = sorted(_foreign_imports(graph, self.packages, self.allowed))
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that is refused."""
        for foreign in check.metadata["found"]:
            output.print_error(
                f"{foreign} is neither of the standard library nor allowed", bold=False
            )


def _foreign_imports(
    graph: ImportGraph, packages: list[str], allowed: Iterable[str]
) -> Iterator[ForeignImport]:
    inside = {
        module for package in packages for module in (package, *graph.find_descendants(package))
    }
    known = sys.stdlib_module_names | {*allowed}
    for importer in inside:
        for imported in graph.find_modules_directly_imported_by(importer) - inside:
            if imported.partition(".")[0] not in known:
                details = graph.get_import_details(importer=importer, imported=imported)
                lines = tuple(sorted({detail["line_number"] for detail in details}))
                yield ForeignImport(importer, imported, lines)
