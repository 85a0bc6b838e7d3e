"""Names that the file systems of a target platform cannot hold, or take for one another."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.plan import Plan, PlanKind, owner
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import is_windows_device, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_venvstacks.archives.plan import Plan
    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.platforms import TargetPlatform

# Characters of a path within a layer. Most programs on Windows stop at 260 in all
# (https://learn.microsoft.com/en-us/windows/win32/fileio/maximum-file-path-limitation): what is
# left is for the deployment root and the layer's folder.
LONGEST_PATH = 200

# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*\\]')


def check_names(
    plans: Sequence[Plan], platform: TargetPlatform, layout: Layout, reporter: Reporter
) -> None:
    """Refuse paths of a layer that ``platform`` cannot hold beside each other, or not at all.

    Long ones are a warning: whether they are too long depends on where the layer is unpacked.

    :raises BuildError: naming the path, and who owns it.
    """
    if platform.sys_platform == "linux":
        return
    _check_case(plans, platform, layout)
    if layout.is_windows:
        _check_reserved(plans)
        _check_written_later(plans, layout)
        _warn_of_length(plans, reporter)


def _check_case(plans: Sequence[Plan], platform: TargetPlatform, layout: Layout) -> None:
    seen: dict[str, tuple[str, Plan]] = {}
    for plan in plans:
        for member in plan.members:
            for path in _names(member.path, layout):
                # APFS takes composed and decomposed letters for the same, too.
                folded = unicodedata.normalize("NFC", path).casefold()
                other, first = seen.setdefault(folded, (path, plan))
                if other != path:
                    raise BuildError(
                        f"{owner(first)} has `{other}` and {owner(plan)} has `{path}`: on"
                        f" {platform.name} they are one, because they differ only in case",
                        hint="Leave one of them out of the layer, or rename it",
                    )


def _names(path: str, layout: Layout) -> Iterator[str]:
    """``path``, and the packages that it is in: a merged one is found by one of its names only.

    Other folders may well be merged.
    """
    yield path
    if path.startswith(f"{layout.site_packages}/"):
        end = path.find("/", len(layout.site_packages) + 1)
        while end != -1:
            yield path[:end]
            end = path.find("/", end + 1)


def _check_reserved(plans: Sequence[Plan]) -> None:
    for plan in plans:
        for member in plan.members:
            for name in member.path.split("/"):
                fault = _fault(name)
                if fault:
                    raise BuildError(
                        f"{owner(plan)} has the file `{member.path}`, which Windows cannot hold:"
                        f" {fault}",
                        hint="Leave it out of the layer, or rename it",
                    )


def _check_written_later(plans: Sequence[Plan], layout: Layout) -> None:
    """What ``postinstall.py`` writes is nobody else's; the runtime has these programs itself."""
    if any(plan.kind is PlanKind.RUNTIME for plan in plans):
        return
    programs = {layout.program(name) for name in ("python", "pythonw")}
    later = {path.casefold() for path in (*programs, "pyvenv.cfg")}
    for plan in plans:
        for member in plan.members:
            if member.path.casefold() in later:
                raise BuildError(
                    f"{owner(plan)} has `{member.path}`, which `{layout.postinstall}` writes on the"
                    " target machine",
                    hint="Leave it out of the layer, or rename it",
                )


def _fault(name: str) -> str:
    if _FORBIDDEN.search(name):
        return f"`{name}` has a character that names must not have there"
    if name.endswith((".", " ")):
        return f"`{name}` ends in a dot or a space"
    if is_windows_device(name):
        return f"`{name}` is the name of a device there"
    return ""


def _warn_of_length(plans: Sequence[Plan], reporter: Reporter) -> None:
    long = {
        member.path: plan
        for plan in plans
        for member in plan.members
        if len(member.path) > LONGEST_PATH
    }
    if long:
        path = max(long, key=len)
        more = f" (and {len(long) - 1} more)" if len(long) > 1 else ""
        reporter.warning(
            f"{owner(long[path])} has a path of {len(path)} characters{more}; with the folder that"
            f" the layer is unpacked into, Windows allows 260: {path}"
        )


def check_paths(plans: Sequence[Plan]) -> None:
    """Refuse ``plans`` in which two parts of a layer claim one path, or a file's path as a folder.

    :raises BuildError: naming both.
    """
    owners: dict[str, Plan] = {}
    for plan in plans:
        for member in plan.members:
            if member.path in owners:
                raise _claimed_twice(owners[member.path], plan, member.path)
            owners[member.path] = plan
    if clashes := owners.keys() & parents(owners):
        folder = min(clashes)
        inside = next(plan for path, plan in owners.items() if path.startswith(f"{folder}/"))
        raise _claimed_twice(owners[folder], inside, folder)


def check_no_links(plans: Iterable[Plan]) -> None:
    """Refuse ``plans`` of a layer for Windows that hold a symbolic link.

    :raises BuildError: naming the first.
    """
    for member in (member for plan in plans for member in plan.members):
        if member.link:
            raise BuildError(
                f"A layer for Windows cannot hold the symbolic link `{member.path}` (to"
                f" `{member.link}`)",
                hint="Leave it out of the layer, or put a copy of the file in its place",
            )


def _claimed_twice(first: Plan, second: Plan, path: str) -> BuildError:
    hint = "Leave one of them out of the layer, or rename the file"
    if PlanKind.PROJECT in (first.kind, second.kind):
        hint += "; name a module that the project's wheel has by its dotted name, not as a path"
    return BuildError(f"{owner(first)} and {owner(second)} both claim the path `{path}`", hint=hint)
