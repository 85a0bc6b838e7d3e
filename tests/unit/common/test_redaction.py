from __future__ import annotations

import pytest

from hatch_venvstacks.common.redaction import masked, shown_url, without_credentials, without_users

URL = "https://joe:hunter2@host/simple"


@pytest.mark.parametrize(
    ("text", "environ", "said"),
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
def test_masked(text: str, environ: dict[str, str], said: str | None) -> None:
    found = masked(text, environ)
    assert "hunter2" not in found
    assert found == (text.replace("hunter2", "****") if said is None else said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at https://joe:pw@host/a", "at https://****@host/a"),
        ("at https://token@host/a", "at https://****@host/a"),
        ("mistyped: `htt:/joe:p:w@host/a`", "mistyped: `htt:/****@host/a`"),
        ("in C:/layers/app@1.0", "in C:/layers/app@1.0"),
        ("https://host/a and joe@host", "https://host/a and joe@host"),
    ],
)
def test_without_users(text: str, said: str) -> None:
    assert without_users(text) == said


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [
        ("https://user:p@w@host:8/a/b?sig=x#y", "https://host:8/a/b"),
        ("https://host/a?b?c", "https://host/a"),
        ("https://host/a#b?c", "https://host/a"),
        ("file:some/where?x", "file:some/where"),
        ("file:///some/where", "file:///some/where"),
        ("../wheels", "../wheels"),
    ],
)
def test_addresses_without_secrets(url: str, shown_as: str) -> None:
    assert shown_url(url) == shown_as
    mark, fragment = url.partition("#")[1:]
    assert without_credentials(url) == f"{shown_as}{mark}{fragment}"
