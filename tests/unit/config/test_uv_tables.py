"""``[tool.uv]`` of a project, of its ``uv.toml`` and of its workspace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.uv_project import UvProject, UvTable, read_uv_project
from hatch_venvstacks.config.uv_tables import read_uv
from hatch_venvstacks.model.index import AddressError, Index, absolute_url, recorded_url
from hatch_venvstacks.model.spec import PackageSource, UvSettings
from hatch_venvstacks.model.toml import parse_toml, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class TestSources:
    def test_kinds(self) -> None:
        settings = read(
            """
            [sources]
            Torch = [
              { index = "cpu", marker = "sys_platform != 'win32'" },
              { index = "cu", marker = "sys_platform == 'win32'" },
            ]
            lib = { path = "../lib", editable = true }
            tool = { git = "https://joe:secret@example/tool" }
            wheel = { url = "https://joe:secret@example/wheel-1-py3-none-any.whl" }
            member = { workspace = true }
            """
        )
        assert settings.sources == (
            PackageSource("torch", index="cpu", marker='sys_platform != "win32"'),
            PackageSource("torch", index="cu", marker='sys_platform == "win32"'),
            PackageSource("lib", path=Path("/repo/apps/lib")),
            PackageSource("tool", fault="is a Git repository"),
            PackageSource("wheel", fault="is an address"),
            PackageSource("member", fault="is the workspace, but the project belongs to none"),
        )

    def test_of_features_and_groups(self) -> None:
        text = """
            [sources]
            torch = [{ index = "cpu", extra = "CPU" }, { index = "cu", extra = "cu" }]
            other = { index = "dev", group = "dev" }
            """
        assert read(text).sources == ()
        cpu = PackageSource("torch", index="cpu")
        assert read(text, features=["cpu"]).sources == (cpu,)
        assert read(text, features=["cpu"], dependency_groups=["dev"]).sources == (
            cpu,
            PackageSource("other", index="dev"),
        )

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("sources = 1", "Field `tool.uv.sources` must be a table"),
            ("sources.a = 1", "Field `tool.uv.sources.a` must be a table or an array of tables"),
            ("sources.a = [1]", "Source #1 in field `tool.uv.sources.a` must be a table"),
            (
                'sources."-a" = { index = "x" }',
                "Field `tool.uv.sources.-a` is not the name of a package",
            ),
            (
                'sources = { a_b = { index = "x" }, a-b = { index = "y" } }',
                "Field `tool.uv.sources.a-b` is there already, for the same package",
            ),
            (
                "sources.a = {}",
                (
                    "Field `tool.uv.sources.a` must have one of `index`, `path`, `workspace`, `git`"
                    " and `url`"
                ),
            ),
            ("sources.a.index = 1", "Field `tool.uv.sources.a` must have a string as `index`"),
            ("sources.a.workspace = 1", "Field `tool.uv.sources.a` must have `workspace = true`"),
        ],
    )
    def test_faults(self, text: str, fault: str) -> None:
        assert faults(text) == [fault]

    def test_marker(self) -> None:
        [fault] = faults('sources.a = { index = "x", marker = "linux" }')
        assert fault.startswith("Field `tool.uv.sources.a` has a `marker` that is not valid: ")


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


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def project(name: str, uv: str = "") -> str:
    return f'[project]\nname = "{name}"\nversion = "1"\n{uv}'


def loaded(root: Path) -> UvProject:
    return read_uv_project(root, read_toml(root / "pyproject.toml"))


WORKSPACE = '[tool.uv.workspace]\nmembers = ["libs/*", "apps/**"]\nexclude = ["libs/old*"]\n'
WANTS = "[tool.uv.sources]\nlib = { workspace = true }\n"


class TestWorkspace:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write(
            tmp_path,
            {
                "pyproject.toml": project("the.root", WORKSPACE),
                "libs/lib/pyproject.toml": project("Lib"),
                "libs/no-project/pyproject.toml": "[tool.x]\n",
                "libs/readme.md": "",
                "libs/old-lib/pyproject.toml": project("old-lib"),
                "apps/team/demo/pyproject.toml": project("demo", WANTS),
            },
        )
        return tmp_path

    def test_members(self, root: Path) -> None:
        found = loaded(root / "apps/team/demo")
        assert found.workspace == root
        assert found.members == {
            "the-root": root,
            "lib": root / "libs/lib",
            "demo": root / "apps/team/demo",
        }
        noted: list[str] = []
        assert read_uv(found, noted).sources == (PackageSource("lib", path=root / "libs/lib"),)
        assert noted == []

    def test_no_such_member(self, root: Path) -> None:
        write(root, {"libs/lib/pyproject.toml": project("other")})
        [source] = read_uv(loaded(root / "apps/team/demo"), []).sources
        assert source.fault == f"is the workspace in `{root}`, which has no member of this name"

    def test_members_are_looked_for_only_where_they_are_wanted(self, root: Path) -> None:
        write(root, {"libs/lib/pyproject.toml": "no toml"})
        assert loaded(root / "libs/old-lib") == UvProject((UvTable(root / "libs/old-lib", {}),))
        write(root, {"apps/team/demo/pyproject.toml": project("demo")})
        assert loaded(root / "apps/team/demo").members == {}
        write(root, {"apps/team/demo/pyproject.toml": project("demo", WANTS)})
        with pytest.raises(ConfigError, match="is not valid TOML"):
            loaded(root / "apps/team/demo")

    def test_two_members_of_one_name(self, root: Path) -> None:
        write(root, {"libs/lib2/pyproject.toml": project("LIB")})
        with pytest.raises(ConfigError, match=r"Two members of the workspace in .* have the name"):
            loaded(root / "apps/team/demo")

    def test_the_project_is_the_root(self, root: Path) -> None:
        write(root, {"pyproject.toml": project("the-root", WORKSPACE + WANTS)})
        found = loaded(root)
        assert (found.workspace, len(found.tables)) == (root, 1)
        assert found.members["lib"] == root / "libs/lib"

    @pytest.mark.parametrize(
        "above", [project("nearer"), '[tool.uv.workspace]\nmembers = ["x"]\n', "[tool.uv]\n"]
    )
    def test_only_the_nearest_project_above_counts(self, root: Path, above: str) -> None:
        write(root, {"apps/team/pyproject.toml": above})
        assert loaded(root / "apps/team/demo").workspace is None

    @pytest.mark.parametrize("patterns", ["1", "[1]"])
    def test_patterns(self, root: Path, patterns: str) -> None:
        write(root, {"pyproject.toml": f"[tool.uv.workspace]\nmembers = {patterns}\n"})
        with pytest.raises(ConfigError, match=r"`tool\.uv\.workspace\.members` in .* array"):
            loaded(root / "apps/team/demo")

    def test_table(self, root: Path) -> None:
        write(root, {"pyproject.toml": "[tool]\nuv = 1\n"})
        with pytest.raises(ConfigError, match=re.escape("Field `tool.uv` in")):
            loaded(root / "apps/team/demo")

    def test_unreadable(self, root: Path) -> None:
        (root / "pyproject.toml").write_bytes(b"\xff")
        with pytest.raises(ConfigError, match="cannot be read"):
            loaded(root / "apps/team/demo")

    def test_settings_of_the_root(self, root: Path) -> None:
        outer = f"""
            [tool.uv]
            exclude-newer = "2025-01-01"
            find-links = ["wheels"]
            index-strategy = "first-index"
            prerelease = "allow"
            [[tool.uv.index]]
            name = "corp"
            url = "{PYPI}"
            default = true
            [[tool.uv.index]]
            name = "torch"
            url = "{PYPI}/torch"
            [tool.uv.sources]
            lib = {{ index = "corp" }}
            torch = {{ index = "torch" }}
            near = {{ path = "libs/lib" }}
            """
        inner = f"""
            [tool.uv]
            index-strategy = "unsafe-best-match"
            [[tool.uv.index]]
            name = "torch"
            url = "{PYPI}/own"
            default = true
            """
        write(
            root,
            {
                "pyproject.toml": WORKSPACE + outer,
                "apps/team/demo/pyproject.toml": project("demo", inner + WANTS),
            },
        )
        noted: list[str] = []
        settings = read_uv(loaded(root / "apps/team/demo"), noted)
        assert noted == []
        assert settings == UvSettings(
            indexes=(
                Index("torch", f"{PYPI}/own", default=True),
                Index("corp", PYPI, explicit=True),
            ),
            sources=(
                PackageSource("lib", path=root / "libs/lib"),
                PackageSource("torch", index="torch"),
                PackageSource("near", path=root / "libs/lib"),
            ),
            exclude_newer="2025-01-01",
            find_links=((root / "wheels").as_uri(),),
            options={"index-strategy": "unsafe-best-match", "prerelease": "allow"},
        )

    def test_faults_of_the_root(self, root: Path) -> None:
        write(root, {"pyproject.toml": WORKSPACE + "[tool.uv]\nindex = 1\n"})
        noted: list[str] = []
        read_uv(loaded(root / "apps/team/demo"), noted)
        assert noted == [
            "Field `tool.uv.index` must be an array of tables (in `../../../pyproject.toml`)"
        ]

    def test_uv_toml(self, root: Path) -> None:
        demo = root / "apps/team/demo"
        write(demo, {"uv.toml": 'exclude-newer = "2026-01-01"'})
        assert read_uv(loaded(demo), []).exclude_newer == "2026-01-01"
