"""venvstacks, as its users call it, in an environment of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from measure import CommandError, Usage, measure, size_of
from packaging.utils import canonicalize_name
from stacks import APP, LAUNCH, RUNTIME, edit_launch, write_launch
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stacks import Stack
    from standins import Runtime

NAME = "venvstacks"
# Its newest release cannot run with dependencies that came after it.
PINNED, NEWEST = "venvstacks==0.7.0", "2025-11-25"
_PIN = re.compile(r"^([\w.-]+)==([\w.+!-]+)", re.MULTILINE)
_WRAPPER = Path(__file__).resolve().with_name("run_peer.py")


@dataclass(frozen=True)
class Peer:
    """The stack in ``folder``; ``python`` is that of the environment that has venvstacks."""

    stack: Stack
    folder: Path
    python: Path
    runtime: Runtime
    environment: Mapping[str, str]

    def write(self) -> None:
        """Write the specification and the application's module."""
        python = {"python_implementation": f"cpython@{self.runtime.version}"}
        tables: dict[str, list[dict[str, Any]]] = {"runtimes": [], "frameworks": []}
        for layer in self.stack.layers:
            common = {"name": layer.name, "requirements": list(layer.requirements)}
            kind = "frameworks" if layer.base else "runtimes"
            tables[kind].append({**common, **(_on(layer.base) if layer.base else python)})
        app = {"name": APP, "launch_module": f"{LAUNCH}.py", "requirements": []}
        tables["applications"] = [{**app, **_on(self.stack.app_base)}]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spec.write_text(tomlkit.dumps(tables), "utf-8")
        write_launch(self.stack, self.folder)

    def prepare(self) -> None:
        """Write it, lock it, and build and publish it where that was not done."""
        self.write()
        if not (self.folder / "requirements").exists():
            self.lock()
        if len(self.archives()) < len(self.stack.names):
            self.publish()

    def lock(self) -> Usage:
        return self._run("lock")

    def fetch(self) -> None:
        """Let pip have all wheels that are locked in its cache."""
        scratch = self.folder / "fetched"
        download = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
        if self.stack.wheels is not None:
            download += ["--find-links", str(self.stack.wheels)]
        download += [] if self.stack.has_index else ["--no-index"]
        for file in sorted((self.folder / "requirements").rglob("requirements-*.txt")):
            if _PIN.search(file.read_text("utf-8")):
                self._measured([self.python, *download, "-r", file], self.folder)
        shutil.rmtree(scratch, ignore_errors=True)

    def publish(self, *, watch: bool = False) -> Usage:
        """Build and publish what its own rules call outdated."""
        return self._run("build", "--publish", watch=watch)

    def publish_all_anew(self, *, watch: bool = False) -> Usage:
        """Build and publish everything; locks and caches stay."""
        for name in ("_build", "_artifacts"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.publish(watch=watch)

    def edit(self) -> None:
        """Change the application's module."""
        edit_launch(self.folder)

    @contextmanager
    def changed(self, stack: Stack) -> Iterator[Peer]:
        """The same folder with other requirements; specification and locks come back afterwards."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.folder / "requirements", kept)
        other = replace(self, stack=stack)
        other.write()
        try:
            yield other
        finally:
            shutil.rmtree(self.folder / "requirements")
            kept.rename(self.folder / "requirements")
            self.write()
            # What was built is of the other stack.
            for name in ("_build", "_artifacts"):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def unpack(self, root: Path) -> Usage:
        """Unpack the archives side by side and run what each wants to be run after that."""
        if len(self.archives()) < len(self.stack.names):
            raise CommandError(f"not all layers of {self.stack.name} are built in {self.folder}")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        script = 'for archive do tar -xf "$archive" || exit; done'
        used = self._measured(["sh", "-c", script, "sh", *self.archives()], root, env={})
        python = root / RUNTIME / "bin/python3"
        for name in (RUNTIME, *self._layers_above()):
            script = str(root / name / "postinstall.py")
            used += self._measured([python, "-X", "utf8", "-I", script], root, env={})
        return used

    def first_run(self, root: Path) -> Usage:
        """Run the application that was unpacked, for a user who has run nothing before."""
        command = [str(root / f"app-{APP}" / "bin/python"), "-m", LAUNCH]
        return self._measured(command, root, env={"HOME": str(root / "home")})

    def archives(self) -> list[Path]:
        return sorted((self.folder / "_artifacts").glob("*.tar.xz"))

    def size(self) -> int:
        """The bytes of all archives."""
        return size_of(self.archives())

    def pins(self) -> dict[str, str]:
        """What the layers hold, by the locks: name -> version."""
        found = {}
        for path in (self.folder / "requirements").rglob("requirements-*.txt"):
            for name, version in _PIN.findall(path.read_text("utf-8")):
                found[str(canonicalize_name(name))] = version
        return found

    @property
    def spec(self) -> Path:
        return self.folder / "venvstacks.toml"

    def _layers_above(self) -> list[str]:
        return [*(f"framework-{n}" for n in self.stack.names[1:-1]), f"app-{APP}"]

    def _run(self, command: str, *options: str, watch: bool = False) -> Usage:
        wheels = self.stack.wheels
        found = [] if wheels is None else ["--local-wheels", str(wheels)]
        found += [] if self.stack.has_index else ["--no-index"]
        wrapped = [str(self.python), "-I", str(_WRAPPER), str(self.runtime.archive)]
        called = [*wrapped, command, *options, *found, self.spec.name]
        return self._measured(called, self.folder, watch=watch)

    def _measured(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        *,
        env: Mapping[str, str] | None = None,
        watch: bool = False,
    ) -> Usage:
        environment = {k: v for k, v in self.environment.items() if k != "PYTHONPATH"}
        log = self.folder / "log"
        return measure(
            command, cwd=cwd, env=environment if env is None else env, log=log, watch=watch
        )


def install_peer(folder: Path, environment: Mapping[str, str]) -> Path:
    """An environment with the peer in ``folder``, made where it is not there; its Python.

    :raises subprocess.CalledProcessError: where it cannot be installed.
    """
    python = folder / "bin/python"
    if (folder / "complete").exists():
        return python
    uv = find_uv_bin()
    made_from = str(
        Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    )
    for command in (
        ["venv", "--quiet", "--clear", "--python", made_from, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), "--exclude-newer", NEWEST, PINNED],
    ):
        subprocess.run([uv, *command], check=True, env=dict(environment))
    (folder / "complete").touch()
    return python


def _on(base: tuple[str, ...]) -> dict[str, Any]:
    return {"runtime": RUNTIME} if base == (RUNTIME,) else {"frameworks": list(base)}
