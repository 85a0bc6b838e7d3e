from __future__ import annotations

from pathlib import Path

import pytest

from hatch_venvstacks.model.index import absolute_url, recorded_url

ROOT = Path("/repo/apps/demo")
PYPI = "https://pypi.example/simple"


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "url"),
        [
            ("../wheels", "file:///repo/apps/wheels"),
            ("./wheels@2", "file:///repo/apps/demo/wheels%402"),
            ("my wheels", "file:///repo/apps/demo/my%20wheels"),
            ("/srv/wheels/", "file:///srv/wheels"),
            ("file:///srv/w@x:y/wheels", "file:///srv/w%40x%3Ay/wheels"),
            ("file:/srv/wheels", "file:///srv/wheels"),
            ("file:../wheels", "file:///repo/apps/wheels"),
            ("https://pkgs.example/_packaging/feed@Local/pypi/simple/", None),
            ("HTTP://[::1]:8080/simple", None),
        ],
    )
    def test_absolute(self, text: str, url: str | None) -> None:
        assert absolute_url(text, ROOT) == (text if url is None else url)

    def test_recorded(self) -> None:
        assert recorded_url("file:///repo/my%20wheels", ROOT) == "../../my wheels"
        assert recorded_url(PYPI, ROOT) == PYPI
