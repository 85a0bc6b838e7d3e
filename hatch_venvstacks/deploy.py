"""The old name of :mod:`hatch_venvstacks.deployment.deploy`; it is removed in version 0.2."""

from __future__ import annotations

import warnings

from hatch_venvstacks.deployment.deploy import deploy_archive

__all__ = ["deploy_archive"]

warnings.warn(
    "`hatch_venvstacks.deploy` is removed in version 0.2: import `deploy_archive` from"
    " `hatch_venvstacks.deployment.deploy`",
    DeprecationWarning,
    stacklevel=2,
)
