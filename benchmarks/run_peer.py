"""Run venvstacks with a local archive in the place of what it would download.

``run_peer.py ARCHIVE ARGUMENT...`` is for the Python of the peer's own environment. One function is
replaced, the one that fetches: everything that is measured is venvstacks' own.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pbs_installer


def main() -> None:
    archive = Path(sys.argv.pop(1))

    def download(_file: Any, destination: Any, _client: Any = None) -> str:
        shutil.copyfile(archive, destination)
        return archive.name

    replaced: Any = pbs_installer
    replaced.download = download
    runpy.run_module("venvstacks", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
