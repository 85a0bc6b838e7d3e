"""What is published of a layer: the documents that others read, and the program that they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# The format of archives: a change that alters bytes raises it.
FORMAT = 7
LAYER_JSON = "share/venvlayer/layer.json"


def to_json(value: Mapping[str, Any]) -> bytes:
    """``value`` as UTF-8 JSON for people and programs: indented, with a final newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def postinstall_program() -> bytes:
    """What lies in a layer as ``postinstall.py``, where it is made ready by a program.

    :raises OSError: where this package is not a folder of files.
    """
    # As text: the same bytes where a checkout has other ends of lines.
    return Path(__file__).with_name("postinstall.py").read_text("utf-8").encode()
