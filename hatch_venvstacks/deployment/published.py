"""What is published of a layer: names and form of the documents that others read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# The format of archives: a change that alters bytes raises it.
FORMAT = 7
LAYER_JSON = "share/venvlayer/layer.json"


def to_json(value: Mapping[str, Any]) -> bytes:
    """``value`` as UTF-8 JSON for people and programs: indented, with a final newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
