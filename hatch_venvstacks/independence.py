"""The old name of :mod:`hatch_venvstacks.deployment.verify`; it is removed in version 0.2."""

from __future__ import annotations

import warnings

from hatch_venvstacks.deployment.verify import Breakage, check_deployment

__all__ = ["Breakage", "check_deployment"]

warnings.warn(
    "`hatch_venvstacks.independence` is removed in version 0.2: import `check_deployment` and"
    " `Breakage` from `hatch_venvstacks.deployment.verify`",
    DeprecationWarning,
    stacklevel=2,
)
