from __future__ import annotations

from hatch_venvstacks.deployment.published import to_json


def test_json_is_for_people() -> None:
    assert to_json({"b": None, "a": True}) == b'{\n  "b": null,\n  "a": true\n}\n'
