"""``[tool.uv]`` of a project and of its ``uv.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_venvstacks.config.uv.project import UvProject, UvTable
from hatch_venvstacks.config.uv.tables import read_uv
from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.index import AddressError, Index, absolute_url
from hatch_venvstacks.model.spec import PackageSource, UvSettings

ROOT = Path("/repo/apps/demo")
PYPI = "https://pypi.example/simple"


def read(text: str, **names: Any) -> UvSettings:
    faults: list[str] = []
    settings = read_uv(UvProject((UvTable(ROOT, parse_toml(text)),)), faults, **names)
    assert faults == []
    return settings


def faults(text: str, settings: str | None = None) -> list[str]:
    noted: list[str] = []
    beside = None if settings is None else parse_toml(settings)
    read_uv(UvProject((UvTable(ROOT, parse_toml(text), beside),)), noted)
    return noted


class TestIndexes:
    def test_all_keys(self) -> None:
        settings = read(
            f"""
            index = [
              {{ name = "corp", url = "{PYPI}", default = true, cache-control = {{}} }},
              {{ name = "torch-cpu", url = "../../wheels/cpu", format = "flat", explicit = true }},
              {{ url = "https://other.example/simple/", publish-url = "https://a:b@c" }},
            ]
            """
        )
        assert settings.indexes == (
            Index("corp", PYPI, default=True, options={"cache-control": {}}),
            Index("torch-cpu", "file:///repo/wheels/cpu", explicit=True, flat=True),
            Index("", "https://other.example/simple/"),
        )

    def test_nothing(self) -> None:
        assert read("") == UvSettings()

    def test_keys_of_before(self) -> None:
        settings = read(
            f"""
            index-url = "{PYPI}"
            extra-index-url = ["https://extra.example/simple"]
            find-links = ["wheels", "https://links.example/all.html"]
            """
        )
        assert settings.indexes == (
            Index("", "https://extra.example/simple"),
            Index("", PYPI, default=True),
        )
        assert settings.find_links == (
            "file:///repo/apps/demo/wheels",
            "https://links.example/all.html",
        )

    def test_default_wins_over_index_url(self) -> None:
        text = f'index-url = "https://old.example"\nindex = [{{ url = "{PYPI}", default = true }}]'
        assert [index.url for index in read(text).indexes] == [PYPI]

    def test_further_keys_of_uv(self) -> None:
        settings = read(
            """
            exclude-newer = "2026-01-01"
            constraint-dependencies = ["numpy<2"]
            index-strategy = "unsafe-best-match"
            environments = ["sys_platform == 'linux'"]
            dev-dependencies = ["pytest"]
            """
        )
        assert settings.exclude_newer == "2026-01-01"
        assert settings.options == {
            "constraint-dependencies": ["numpy<2"],
            "index-strategy": "unsafe-best-match",
        }

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("index = 1", "Field `tool.uv.index` must be an array of tables"),
            ("index = [1]", "Index #1 in field `tool.uv.index` must be a table"),
            ('index = [{ name = "a" }]', "Index #1 in field `tool.uv.index` has no `url`"),
            (
                "index = [{ url = 1 }]",
                "Field `url` of index #1 in field `tool.uv.index` must be a string",
            ),
            (
                'index = [{ url = "a", explicit = "yes" }]',
                "Field `explicit` of index #1 in field `tool.uv.index` must be a boolean",
            ),
            (
                'index = [{ url = "a", name = "a b" }]',
                (
                    "Field `name` of index #1 in field `tool.uv.index` must only contain ASCII"
                    " letters/digits, underscores, hyphens, and periods: `a b`"
                ),
            ),
            (
                'index = [{ url = "a", format = "odd" }]',
                (
                    "Field `format` of index #1 in field `tool.uv.index` must be one of `simple`,"
                    " `flat`, not `odd`"
                ),
            ),
            (
                'index = [{ url = "a", explicit = true }]',
                "Index #1 in field `tool.uv.index` is explicit, and thus needs a `name`",
            ),
            (
                'index = [{ url = "a", name = "a" }, { url = "b", name = "a" }]',
                "Index #2 in field `tool.uv.index` has a name that another one has: `a`",
            ),
            (
                'index = [{ url = "a", default = true }, { url = "b", default = true }]',
                "Index #2 in field `tool.uv.index` is the second one with `default = true`",
            ),
            (
                'index = [{ url = "ftp://host/" }]',
                (
                    "Field `url` of index #1 in field `tool.uv.index` must be a path, or an address"
                    " with `https:`, `http:` or `file:`"
                ),
            ),
            (
                'find-links = ["ftp://host/"]',
                (
                    "Location #1 in field `tool.uv.find-links` must be a path, or an address with"
                    " `https:`, `http:` or `file:`"
                ),
            ),
            ("exclude-newer = 1", "Field `tool.uv.exclude-newer` must be a string"),
            (
                'override-dependencies = ["a @ https://u:secret@h/a.whl"]',
                (
                    "Requirement #1 in field `tool.uv.override-dependencies` is a direct reference"
                    " (`a @ …`), which layers do not support yet"
                ),
            ),
            (
                'constraint-dependencies = ["a @@ https://u:secret@h/a.whl"]',
                "Requirement #1 in field `tool.uv.constraint-dependencies` is not valid",
            ),
            (
                '[[dependency-metadata]]\nname = "a"\nrequires-dist = ["b", "c @ https://u:x@h/c.whl"]',
                (
                    "A requirement in `requires-dist` of entry #1 in field"
                    " `tool.uv.dependency-metadata` is a direct reference (`c @ …`), which layers"
                    " do not support yet"
                ),
            ),
        ],
    )
    def test_faults(self, text: str, fault: str) -> None:
        assert faults(text) == [fault]


class TestCredentials:
    @pytest.mark.parametrize(
        "text",
        [
            "https://joe:hunter2@host/simple",
            "https://joe:p%40ss-hunter2@host/simple",
            "https://joe:hun/hunter2@host/simple",
            "https://joe:443/hunter2@host/simple",
            "https://joe:hunter2?@host/simple",
            "https://joe:hunter2#@host/simple",
            "https://hunter2@host/simple",
            "https://:hunter2@host/simple",
            "https:joe:hunter2@host/simple",
            "https:/joe:hunter2@host/simple",
            "https:\\\\joe:hunter2@host/simple",
            "https://host\\@joe:hunter2@host/simple",
            "https://host/simple?token=hunter2",
            "https://host/simple?hunter2",
            "https://host/simple#hunter2",
            "https://joe%3Ahunter2%40host/simple",
            "https://joe:hunter2\t@host/simple",
            "git@hunter2:wheels",
            "ssh://git@hunter2/wheels",
            "joe:hunter2@host/simple",
            "//joe:hunter2@host/simple",
            "ftp://joe:hunter2@host/simple",
            "file://hunter2@host/simple",
            "wheels\n/hunter2",
        ],
    )
    def test_secrets(self, text: str) -> None:
        with pytest.raises(AddressError) as caught:
            absolute_url(text, ROOT)
        assert "hunter2" not in str(caught.value)
        escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        [fault] = faults(f'index = [{{ name = "my.corp-1", url = "{escaped}" }}]')
        assert "hunter2" not in fault
        if "credentials" in fault:
            assert "`UV_INDEX_MY_CORP_1_USERNAME`" in fault
            assert "`UV_INDEX_MY_CORP_1_PASSWORD`" in fault

    def test_credentials_without_a_name(self) -> None:
        [fault] = faults('find-links = ["https://joe:hunter2@host/all.html"]')
        assert fault == (
            "Location #1 in field `tool.uv.find-links` holds credentials, which must not be in a"
            " file that is shared: set `UV_INDEX_<NAME>_USERNAME` and `UV_INDEX_<NAME>_PASSWORD`,"
            " or use netrc or a keyring"
        )


class TestUvToml:
    TABLE = f"""
        exclude-newer = "2025-01-01"
        index = [{{ name = "own", url = "{PYPI}", default = true }}, {{ url = "{PYPI}/2" }}]
        sources.a = {{ index = "own" }}
        """

    def test_it_counts(self) -> None:
        beside = parse_toml('exclude-newer = "2026-01-01"\nindex = [{ url = "../wheels" }]')
        noted: list[str] = []
        table = UvTable(ROOT, parse_toml(self.TABLE), beside)
        settings = read_uv(UvProject((table,)), noted)
        assert noted == []
        assert settings.exclude_newer == "2026-01-01"
        # Sources still refer to the project's named indexes, which serve nothing else.
        assert settings.indexes == (
            Index("", "file:///repo/apps/wheels"),
            Index("own", PYPI, explicit=True),
        )
        assert settings.sources == (PackageSource("a", index="own"),)

    def test_faults(self) -> None:
        assert faults("", "index = 1") == [
            "Field `tool.uv.index` must be an array of tables (in `uv.toml`)"
        ]
