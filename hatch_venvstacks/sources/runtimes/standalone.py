"""python-build-standalone as a source of runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.model.runtime import LockedRuntime
from hatch_venvstacks.sources.runtimes.archives import ArchiveSource
from hatch_venvstacks.sources.runtimes.releases import find_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.model.runtime import RuntimeRequest


class StandaloneBuilds(ArchiveSource):
    """The builds of python-build-standalone."""

    def lock(
        self,
        request: RuntimeRequest,
        platforms: Sequence[str],
        previous: LockedRuntime | None = None,
    ) -> LockedRuntime:
        """Nothing is fetched for that."""
        if (
            previous is not None
            and previous.origin is request.origin
            and request.accepts(previous.version)
            and set(platforms) <= set(previous.archives)
        ):
            archives = {name: previous.archives[name] for name in platforms}
            return LockedRuntime(previous.origin, previous.version, archives)
        return find_release(request.version, platforms)
