from __future__ import annotations

from hatch_venvstacks.contents.runtime import runtime_links


def test_runtime_links() -> None:
    links = {member.path: member.link for member in runtime_links(["bin/python3.12"], "3.12")}
    assert links == {"bin/python": "python3.12", "bin/python3": "python3.12"}
    assert [one.path for one in runtime_links(["bin/python3"], "3.12")] == ["bin/python"]
    assert list(runtime_links(["bin/python3", "bin/python"], "3.12")) == []
