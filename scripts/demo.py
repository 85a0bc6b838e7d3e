"""Build the four layers of ``test-projects/digits``, unpack them, move them, run the application.

``hatch run demo`` starts it. The plugin is not published yet: each project gets a wheel of this
checkout through find-links.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
# From the lowest layer to the uppermost: each is resolved against the locks below it.
PROJECTS = ("runtimes/cpython", "frameworks/sklearn", "frameworks/plotting", "apps/digits")
# What would lead a build to another interpreter, environment or project than the one that is meant.
LEAKING = (
    "CONDA_PREFIX",
    "HATCH_ENV",
    "HATCH_ENV_ACTIVE",
    "HATCH_PROJECT",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "VIRTUAL_ENV",
)


def main() -> int:
    started = time.monotonic()
    result = CHECKOUT / "dist" / "demo"
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(prefix="venvlayer-demo-") as folder:
            run_demo(Path(folder).resolve(), result)
    except subprocess.CalledProcessError as error:
        say(f"FAILED with exit code {error.returncode}: {shlex.join(error.cmd)}")
        return 1
    say(f"Done in {time.monotonic() - started:.0f} s. The moved stack and its picture: {result}")
    return 0


def run_demo(work: Path, result: Path) -> None:
    """All steps, with what is passing in ``work`` and what stays in ``result``."""
    wheels = work / "wheels"
    say("1. A wheel of the plugin, from this checkout")
    build_wheel(wheels)
    stack = work / "digits"
    shutil.copytree(
        CHECKOUT / "test-projects" / "digits",
        stack,
        ignore=shutil.ignore_patterns("dist", "pylock.*", "__pycache__"),
    )

    say("2. The layers, each with `hatch build -t venvlayer` in its own project")
    environment = build_environment(os.environ, wheels, work / "hatch")
    for project in PROJECTS:
        since = time.monotonic()
        run(["hatch", "build", "-t", "venvlayer"], cwd=stack / project, env=environment)
        print(f"   {time.monotonic() - since:.1f} s", flush=True)

    say("3. Unpacked side by side")
    unpacked = work / "unpacked"
    unpacked.mkdir()
    archives = sorted(stack.glob("*/*/dist/venvlayer/*.tar.zst"))
    for archive in archives:
        print(f"   {archive.name}  {archive.stat().st_size / 1e6:.1f} MB", flush=True)
        unpack(archive, unpacked)
    if len(archives) != len(PROJECTS):
        sys.exit(f"{len(PROJECTS)} archives were expected, {len(archives)} found")

    moved = result / "moved here"
    say(f"4. Moved to {moved}")
    shutil.move(unpacked, moved)
    shutil.rmtree(stack)

    say("5. The application, from there, with an empty environment")
    picture = result / "confusion-matrix.png"
    output = run(
        [str(moved / "digits/bin/digits"), "--output", str(picture)],
        cwd=result,
        env={},
        capture=True,
    )
    answer = json.loads(output.splitlines()[-1])
    print(f"   accuracy {answer['accuracy']}, picture {answer['picture']}", flush=True)
    if not picture.read_bytes().startswith(b"\x89PNG") or answer["accuracy"] < 0.9:
        sys.exit("the application ran, but not as it should")


def build_wheel(folder: Path) -> None:
    """Put a wheel of this checkout into ``folder``.

    Hatchling is called itself: under ``hatch build`` it would be in an environment of its own.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run(command, cwd=CHECKOUT, env=_clean(os.environ))


def build_environment(inherited: Mapping[str, str], wheels: Path, hatch: Path) -> dict[str, str]:
    """The environment variables in which every front end finds the wheels in ``wheels``.

    ``hatch`` is the folder for Hatch's environments: the user's own would keep a build environment,
    and with it a copy of the plugin, for each temporary project.
    """
    environment = _clean(inherited)
    # As addresses, because pip separates by blanks and uv by commas.
    for name, separator in (("PIP_FIND_LINKS", " "), ("UV_FIND_LINKS", ",")):
        known = environment.get(name)
        environment[name] = separator.join([wheels.as_uri(), *([known] if known else [])])
    hatch.mkdir(parents=True, exist_ok=True)
    config = hatch / "config.toml"
    config.touch()
    # A runtime from the host is a copy of the interpreter that runs the build: the one below this.
    interpreter = getattr(sys, "_base_executable", sys.executable)
    return {
        **environment,
        "HATCH_CONFIG": str(config),
        "HATCH_DATA_DIR": str(hatch / "data"),
        "HATCH_INTERACTIVE": "0",
        "HATCH_PYTHON": interpreter,
    }


def unpack(archive: Path, root: Path) -> None:
    """Unpack ``archive`` into ``root`` as anybody would: with tar, where it can read zstd."""
    if shutil.which("tar") and shutil.which("zstd"):
        run(["tar", "--zstd", "-xf", str(archive), "-C", str(root)], cwd=root, env=os.environ)
        return
    from zstandard import ZstdDecompressor

    # An archive is a sequence of compressed segments, and a reader must not stop after the first.
    with (
        archive.open("rb") as packed,
        ZstdDecompressor().stream_reader(packed, read_across_frames=True) as plain,
        tarfile.open(fileobj=plain, mode="r|") as members,
    ):
        # Python before 3.10.12 and 3.11.4 has no filters, and needs none for what we built.
        if hasattr(tarfile, "data_filter"):
            members.extraction_filter = tarfile.data_filter
        members.extractall(root)  # noqa: S202


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], capture: bool = False) -> str:
    """Show ``command``, run it, show what it says, and with ``capture`` return its output.

    :raises subprocess.CalledProcessError: where it fails.
    """
    print(f"$ {shlex.join(command)}", flush=True)
    real = [sys.executable, "-m", "hatch", *command[1:]] if command[0] == "hatch" else command
    done = subprocess.run(
        real, cwd=cwd, env=env, check=True, text=True, stdout=subprocess.PIPE if capture else None
    )
    if capture:
        print(done.stdout, end="", flush=True)
    return done.stdout or ""


def say(message: str) -> None:
    print(f"\n{message}", flush=True)


def _clean(inherited: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in inherited.items() if name not in LEAKING}


if __name__ == "__main__":
    sys.exit(main())
