from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.sources.uv import run_uv, uv_environment

if TYPE_CHECKING:
    from pathlib import Path

OURS = uv_environment({})
REFUSED = [
    *(
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONUTF8",
        "PYTHON",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PIP_INDEX_URL",
    ),
    *(
        "UV_PYTHON",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
        "UV_WORKING_DIRECTORY",
        "UV_WORKING_DIR",
    ),
    *("UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_PYTHON_PREFERENCE", "UV_MANAGED_PYTHON"),
    *("UV_RESOLUTION", "UV_FORK_STRATEGY", "UV_NO_SOURCES", "UV_CONSTRAINT", "UV_OVERRIDE"),
    *("UV_BUILD_CONSTRAINT", "UV_COMPILE_BYTECODE", "UV_LINK_MODE", "UV_FROZEN", "UV_LOCKED"),
    *("UV_NO_BUILD", "UV_NO_BINARY", "UV_ONLY_BINARY", "UV_NO_SYNC", "UV_ENV_FILE", "UV_TARGET"),
    *("UV_REQUIRE_HASHES", "UV_NO_VERIFY_HASHES", "UV_TORCH_BACKEND", "UV_PREVIEW", "UV_INDEXES"),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "HATCH_ENV", "XPATH", "PATHX", "UV", "UV_", "MY_UV_OFFLINE"),
    *("UV_NO_INDEX", "PYTHON_KEYRING", "HTTP_PROXY2", "RUST_LOG", "SOURCE_DATE_EPOCH", "", "_"),
]
PASSED = [
    *("PATH", "HOME", "TMPDIR", "TMP", "TEMP", "USER", "LANG", "LC_ALL", "SYSTEMROOT", "APPDATA"),
    *("HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy", "PYTHON_KEYRING_BACKEND"),
    *("UV_INDEX_FOO_PASSWORD", "UV_INDEX_FOO_USERNAME", "UV_INDEX_STRATEGY", "UV_OFFLINE"),
    *("UV_HTTP_TIMEOUT", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_INSECURE_HOST"),
    *("UV_CONCURRENT_DOWNLOADS", "UV_PRERELEASE", "UV_EXCLUDE_NEWER"),
    *("XDG_CACHE_HOME", "DBUS_SESSION_BUS_ADDRESS", "UV_NO_CACHE", "UV_NO_CONFIG"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert uv_environment({name: "x"}) == OURS


@pytest.mark.parametrize("name", PASSED)
def test_passed(name: str) -> None:
    assert uv_environment({name: "some value"}) == {**OURS, name: "some value"}


def test_ours_outrank_those_of_the_user() -> None:
    theirs = dict.fromkeys(OURS, "theirs")
    assert uv_environment({**theirs, "UV_PYTHON_DOWNLOADS": "automatic"}) == OURS
    assert OURS["UV_PYTHON_DOWNLOADS"] == "never"


@given(st.dictionaries(st.text(), st.text()))
def test_nothing_is_made_up(environ: dict[str, str]) -> None:
    assert set(uv_environment(environ)) <= {*environ, *OURS}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("UV_CACHE_DIR", "cache", "{cwd}/cache"),
        ("UV_CONFIG_FILE", "./uv.toml", "{cwd}/uv.toml"),
        ("SSL_CERT_FILE", "../ca.pem", "{parent}/ca.pem"),
        ("UV_CACHE_DIR", "/absolute", "/absolute"),
        ("UV_CACHE_DIR", "", ""),
        ("UV_FIND_LINKS", "wheels", "{cwd}/wheels"),
        ("UV_FIND_LINKS", "wheels,/more,https://x.org/a", "{cwd}/wheels,/more,https://x.org/a"),
        ("UV_FIND_LINKS", "a b/wheels", "{cwd}/a b/wheels"),
        ("UV_FIND_LINKS", "a=b/wheels", "{cwd}/a=b/wheels"),
        ("UV_DEFAULT_INDEX", "https://u:p@x.org/simple?a=b", "https://u:p@x.org/simple?a=b"),
        ("UV_INDEX", "mine=https://x.org/simple", "mine=https://x.org/simple"),
        ("UV_INDEX", "mine=simple https://x.org", "mine={cwd}/simple https://x.org"),
        ("UV_EXTRA_INDEX_URL", "file:///x/y", "file:///x/y"),
        ("UV_INDEX_FOO_PASSWORD", "a/b", "a/b"),
    ],
)
def test_relative_paths_are_those_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = uv_environment({name: value})[name]
    found = found.replace(f"{tmp_path.name}/../", "")
    assert found == expected.format(cwd=tmp_path, parent=tmp_path.parent)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be started"):
        run_uv(["--version"], folder=tmp_path / "gone", failure="x")
