"""What the core and hooks have to say, as lines on hatchling's terminal."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from hatch_venvstacks.common.errors import BuildError, VenvLayerError, words
from hatch_venvstacks.common.redaction import without_users
from hatch_venvstacks.common.wording import Wording
from hatch_venvstacks.config.environment_variables import CACHE_VARIABLE, LOCKED, PLATFORM, UPGRADE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatchling.bridge.app import Application
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface


LOCK_COMMAND = "hatch build -t venvlayer:lock"
HATCH = Wording(
    lock=LOCK_COMMAND,
    platform=PLATFORM,
    cache=f"`{CACHE_VARIABLE}`",
    locked=LOCKED,
    upgrade=UPGRADE,
    # Source: https://hatch.pypa.io/latest/plugins/environment/virtual/ and
    # https://hatch.pypa.io/latest/config/internal/build/.
    change_python=(
        "Under `hatch build` that is the Python of the environment `hatch-build`: set"
        " `HATCH_PYTHON` to the path of another, or `python` in `[tool.hatch.envs.hatch-build]`,"
        " after `hatch env remove hatch-build`"
    ),
)


class TerminalReporter:
    """A reporter on hatchling's application."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def info(self, message: str) -> None:
        self._app.display_info(without_users(message))

    def warning(self, message: str) -> None:
        self._app.display_warning(without_users(message))

    def debug(self, message: str) -> None:
        self._app.display_debug(without_users(message))


class TerminalLines:
    """Turns the errors of the core into lines on the terminal, and exit code 1."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, VenvLayerError):
            self._abort(error)

    def _abort(self, error: VenvLayerError) -> NoReturn:
        cause = error.__cause__
        if cause is not None and not isinstance(cause, VenvLayerError):
            # For `-v`: where in a plugin or a hook it happened.
            shown = "".join(traceback.format_exception(cause)).rstrip()
            self._app.display_debug(without_users(shown))
        self._app.display_error(without_users(error.worded(HATCH)))
        self._app.abort()
        raise SystemExit(1)


class GuardedHook:
    """A build hook whose exceptions become lines on the terminal, too.

    ``own`` hooks are those of this target. Hooks for all targets name paths in a wheel, and the
    project's wheel runs them as well: the files that they force are not taken twice.
    """

    def __init__(
        self, name: str, hook: BuildHookInterface[Any], own: bool, app: Application
    ) -> None:
        self._name, self._hook, self._own, self._app = name, hook, own, app

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        forced = dict(build_data["force_include"])
        with self._lines():
            self._hook.initialize(version, build_data)
        if not self._own:
            build_data["force_include"] = forced

    def finalize(self, version: str, build_data: dict[str, Any], artifact: str) -> None:
        with self._lines():
            self._hook.finalize(version, build_data, artifact)

    def clean(self, versions: list[str]) -> None:
        with self._lines():
            self._hook.clean(versions)

    @contextmanager
    def _lines(self) -> Iterator[None]:
        with TerminalLines(self._app):
            try:
                yield
            except Exception as error:
                raise BuildError(
                    f"The build hook `{self._name}` has failed",
                    detail=f"  {words(error)}",
                ) from error
