from __future__ import annotations

import pytest

from hatch_venvstacks.common.redaction import masked, shown, without_users

URL = "https://joe:hunter2@host/simple"


@pytest.mark.parametrize(
    ("text", "environ", "shown"),
    [
        ("nothing", {}, "nothing"),
        ("at https://host/a?token=hunter2`, b", {}, "at https://host/a?****`, b"),
        ("uses hunter2", {"UV_INDEX_CORP_PASSWORD": "hunter2"}, "uses ****"),
        ("uses x", {"UV_INDEX_CORP_PASSWORD": ""}, "uses x"),
        (f"invalid value '{URL}:x'", {"UV_INDEX": f"a=/x b={URL}"}, None),
        (
            "has h@nter/2 and h%40nter/2",
            {"UV_INDEX": "https://joe:h%40nter/2@host/"},
            "has **** and ****",
        ),
        ("by hunter2", {"UV_FIND_LINKS": "https://hunter2@host/,/x"}, "by ****"),
        ("by hunter2", {"HTTPS_PROXY": "http://hunter2:@host"}, "by ****"),
        ("host", {"UV_INDEX": "https://@host/a"}, "host"),
    ],
)
def test_masked(text: str, environ: dict[str, str], shown: str | None) -> None:
    found = masked(text, environ)
    assert "hunter2" not in found
    assert found == (text.replace("hunter2", "****") if shown is None else shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://joe:pw@host/a", "at https://****@host/a"),
        ("at https://token@host/a", "at https://****@host/a"),
        ("mistyped: `htt:/joe:p:w@host/a`", "mistyped: `htt:/****@host/a`"),
        ("in C:/layers/app@1.0", "in C:/layers/app@1.0"),
        ("https://host/a and joe@host", "https://host/a and joe@host"),
    ],
)
def test_without_users(text: str, shown: str) -> None:
    assert without_users(text) == shown


def test_nothing_secret_is_shown() -> None:
    assert shown("https://user:pw@host:8/a/b?sig=x#y") == "https://host:8/a/b"
