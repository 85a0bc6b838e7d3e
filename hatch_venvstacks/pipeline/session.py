"""What one call of a face hands to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_venvstacks.common.wording import Wording
    from hatch_venvstacks.model.workshop import LockingOptions, Projects, Workshop
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels


@dataclass(frozen=True)
class Session:
    """What the stages of one call share; each is given what it uses of it.

    ``mtime`` dates the project's own files, in seconds since the epoch; ``sibling_wheels`` builds
    those of siblings; ``wording`` is that of the face.
    """

    workshop: Workshop
    projects: Projects
    sibling_wheels: SiblingWheels
    locking: LockingOptions
    mtime: int
    wording: Wording
