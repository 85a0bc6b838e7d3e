from __future__ import annotations

import pytest
from layer_tables import RUNTIME, T, faults, parse

from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import RuntimeArchive, RuntimeOrigin, RuntimeRequest

FILE = "must be `file:///` with an absolute path, or `file:` with one from the project"


SHA256 = "0123456789abcdef" * 4


class TestPython:
    @pytest.mark.parametrize("version", ["3.10", "3.11.13", "3.13.0", "3.14"])
    def test_valid(self, version: str) -> None:
        spec = parse({**RUNTIME, "python": f"cpython@{version}"})
        assert spec.runtime == RuntimeRequest(RuntimeOrigin.STANDALONE, version)

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("3.11", "; did you mean `cpython@3.11`?"),
            ("python3.11", "; did you mean `cpython@3.11`?"),
            ("CPython@3.11.2", "; did you mean `cpython@3.11.2`?"),
            ("cpython-3.11", "; did you mean `cpython@3.11`?"),
            ("cpython@3", ""),
            ("cpython@3.011", ""),
            ("cpython@3.15.0rc1", ""),
            ("cpython@3.13t", ""),
            ("cpython@2.7", ""),
            ("pypy@3.11", ""),
        ],
    )
    def test_invalid(self, text: str, meant: str) -> None:
        assert faults({**RUNTIME, "python": text}) == [
            f"Field `{T}.python` must be `cpython@X.Y` or `cpython@X.Y.Z`, not `{text}`{meant}"
        ]

    def test_too_old(self) -> None:
        assert faults({**RUNTIME, "python": "cpython@3.9.20"}) == [
            f"Field `{T}.python` must be CPython 3.10 or later, not `cpython@3.9.20`"
        ]

    def test_required_but_for_host(self) -> None:
        spec = parse({"kind": "runtime", "python-source": "host"})
        assert spec.runtime == RuntimeRequest(RuntimeOrigin.HOST, "")
        (fault,) = faults({"kind": "runtime"})
        assert fault.startswith(f"Missing required field `{T}.python`: for example `cpython@3.11`")

    def test_host_with_version(self) -> None:
        spec = parse({**RUNTIME, "python-source": "host"})
        assert spec.runtime == RuntimeRequest(RuntimeOrigin.HOST, "3.11.13")


class TestPythonSource:
    def test_archives(self) -> None:
        archive = {"url": "file:///mirror/py%20thon.tar.gz", "sha256": SHA256.upper()}
        spec = parse({**RUNTIME, "python-source": dict.fromkeys(PLATFORMS, archive)})
        assert spec.runtime is not None
        assert spec.runtime.origin is RuntimeOrigin.ARCHIVE
        assert spec.runtime.archives == dict.fromkeys(
            PLATFORMS, RuntimeArchive("file:///mirror/py%20thon.tar.gz", SHA256)
        )

    def test_neither_string_nor_table(self) -> None:
        assert faults({"kind": "runtime", "python-source": 1}) == [
            f"Field `{T}.python-source` must be a string or a table"
        ]

    def test_unknown(self) -> None:
        assert faults({"kind": "runtime", "python-source": "hots"}) == [
            (
                f"Field `{T}.python-source` must be one of `python-build-standalone`, `host`, or a"
                " table of archives, not `hots`; did you mean `host`?"
            )
        ]

    def test_empty_table(self) -> None:
        assert faults({**RUNTIME, "python-source": {}}) == [
            f"Field `{T}.python-source` must have the archive of one target platform at least"
        ]

    def test_entries(self) -> None:
        field = f"{T}.python-source"
        source = {
            "linux-x86_64": {},
            "beos": {},
            "win_amd64": "https://x.example/y",
            "win_arm64": {},
            "linux_aarch64": {"url": 1, "sha256": SHA256[1:], "sha": ""},
        }
        assert faults({**RUNTIME, "python-source": source}) == [
            f"Unknown target platform `{field}.linux-x86_64`; did you mean `linux_x86_64`?",
            f"Unknown target platform `{field}.beos`; valid are "
            + ", ".join(f"`{name}`" for name in PLATFORMS),
            f"Field `{field}.win_amd64` must be a table with the keys `url` and `sha256`",
            f"Missing required field `{field}.win_arm64.url`",
            f"Missing required field `{field}.win_arm64.sha256`",
            f"Unknown option `{field}.linux_aarch64.sha`; did you mean `sha256`?",
            f"Field `{field}.linux_aarch64.url` must be a string",
            f"Field `{field}.linux_aarch64.sha256` must be 64 hexadecimal digits",
        ]

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("ftp://x.example/y", "must begin with `https://`, `http://` or `file:`"),
            ("python.tar.gz", "must begin with `https://`, `http://` or `file:`"),
            ("/opt/python.tar.gz", "must begin with `https://`, `http://` or `file:`"),
            ("file:", FILE),
            ("file://host/python.tar.gz", FILE),
            ("https:///python.tar.gz", "must name a host"),
            ("https://[::1/python.tar.gz", "is not a valid URL: Invalid IPv6 URL"),
            ("https://x.example/a b", "must not hold spaces or control characters"),
        ],
    )
    def test_urls(self, url: str, words: str) -> None:
        source = {"linux_x86_64": {"url": url, "sha256": SHA256}}
        assert faults({**RUNTIME, "python-source": source}) == [
            f"Field `{T}.python-source.linux_x86_64.url` {words}"
        ]

    def test_credentials_are_not_repeated(self) -> None:
        source = {"linux_x86_64": {"url": "https://me:secret@x.example/y", "sha256": SHA256}}
        (fault,) = faults({**RUNTIME, "python-source": source})
        assert "must not hold a user name or a password" in fault
        assert "secret" not in fault
