"""Tables as dicts, without a disk."""

from __future__ import annotations

import posixpath
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_tables import APPLICATION, FRAMEWORK, ROOT, RUNTIME, T, faults, parse

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.layer_table import (
    GENERIC_OPTIONS,
    LAYER_OPTIONS,
    ProjectFacts,
    is_module_path,
    module_name,
    parse_layer,
)
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
from hatch_venvstacks.model.runtime import RuntimeOrigin, RuntimeRequest
from hatch_venvstacks.model.spec import LayerKind, LayerSpec


class TestWholeTables:
    def test_runtime(self) -> None:
        assert parse(RUNTIME) == LayerSpec(
            root=ROOT,
            project_name="demo",
            name="demo",
            kind=LayerKind.RUNTIME,
            runtime=RuntimeRequest(RuntimeOrigin.STANDALONE, "3.11.13"),
            lock_file=ROOT / "pylock.venvlayer.toml",
        )

    def test_application(self) -> None:
        table = {
            **APPLICATION,
            "name": "Demo_2",
            "include-project": False,
            "launch-module": "demo.cli",
            "support-modules": ["helpers"],
            "lock-file": "locks/pylock.demo.toml",
            "archive-format": "tar.xz",
            "compression-level": 3,
        }
        assert parse(table, name="Demo.App", dependencies=("numpy>1",)) == LayerSpec(
            root=ROOT,
            project_name="Demo.App",
            name="Demo_2",
            kind=LayerKind.APPLICATION,
            base_layers=(Path("/stack/frameworks/sklearn"),),
            requirements=("numpy>1",),
            include_project=False,
            launch_module="demo.cli",
            support_modules=("helpers",),
            lock_file=Path("/stack/apps/demo/locks/pylock.demo.toml"),
            archive_format=ArchiveFormat.TAR_XZ,
            compression_level=3,
        )

    def test_all_faults_at_once(self) -> None:
        table = {
            "kind": "aplication",
            "basse-layers": [],
            "name": "",
            "launch-module": 1,
            "features": ["x"],
            "compression-level": 20,
        }
        assert faults(table) == [
            f"Unknown option `{T}.basse-layers`; did you mean `base-layers`?",
            (
                f"Field `{T}.kind` must be one of `runtime`, `framework`, `application`, not"
                " `aplication`; did you mean `application`?"
            ),
            f"Field `{T}.name` cannot be an empty string",
            (
                f"Feature #1 in field `{T}.features` is not defined in field"
                " `project.optional-dependencies`: `x` (none is)"
            ),
            f"Field `{T}.launch-module` must be a string",
            f"Field `{T}.compression-level` must be from 1 to 19, not 20",
        ]

    def test_every_option_with_a_value_of_no_type(self) -> None:
        table = {option: {1, 2} for option in LAYER_OPTIONS}
        assert [line.partition(" must be ")[0] for line in faults(table)] == [
            f"Field `{T}.{option}`"
            for option in (
                "kind",
                "name",
                "base-layers",
                "requirements",
                "features",
                "dependency-groups",
                "include-project",
                "launch-module",
                "support-modules",
                "lock-file",
                "archive-format",
                "compression-level",
                "bytecode",
                "platforms",
                "linux-target",
                "macos-target",
                "dynlib-exclude",
                "dynlib-preload",
                "checks",
                "package-indexes",
                "index-overrides",
                "priority-indexes",
                "exclude-packages",
            )
        ]

    def test_generic_options_are_known(self) -> None:
        assert parse({**RUNTIME, **{key: ["x"] for key in GENERIC_OPTIONS}}) == parse(RUNTIME)

    @pytest.mark.parametrize(
        ("option", "meant"),
        [
            ("base_layers", "; did you mean `base-layers`?"),
            ("Kind", "; did you mean `kind`?"),
            ("force-includes", "; did you mean `force-include`?"),
            ("zzz", ""),
            ("new\nline", ""),
        ],
    )
    def test_unknown_option(self, option: str, meant: str) -> None:
        shown = option.replace("\n", "\\n")
        assert faults({**RUNTIME, option: 1}) == [f"Unknown option `{T}.{shown}`{meant}"]

    @pytest.mark.parametrize("option", ["versioned"])
    def test_options_that_are_not_built_yet(self, option: str) -> None:
        assert faults({**RUNTIME, option: []})[0].startswith(f"Unknown option `{T}.{option}`")

    def test_reproducible(self) -> None:
        assert parse({**RUNTIME, "reproducible": True}) == parse(RUNTIME)
        assert faults({**RUNTIME, "reproducible": False}) == [
            f"Field `{T}.reproducible` cannot be false: layers always are reproducible"
        ]


class TestKind:
    def test_missing(self) -> None:
        assert faults({}) == [
            f"Missing required field `{T}.kind`: one of `runtime`, `framework`, `application`"
        ]

    def test_not_a_string(self) -> None:
        assert faults({"kind": True}) == [f"Field `{T}.kind` must be a string"]

    @pytest.mark.parametrize(
        ("table", "option", "kinds"),
        [
            (RUNTIME, "base-layers", "framework and application"),
            (RUNTIME, "launch-module", "application"),
            (RUNTIME, "support-modules", "application"),
            (FRAMEWORK, "python", "runtime"),
            (FRAMEWORK, "python-source", "runtime"),
            (FRAMEWORK, "launch-module", "application"),
            (APPLICATION, "python", "runtime"),
        ],
    )
    def test_options_of_another(self, table: dict[str, Any], option: str, kinds: str) -> None:
        # The value would be refused for its type, were it looked at.
        assert faults({**table, option: 0}) == [
            (
                f"Field `{T}.{option}` is for {kinds} layers only: the `kind` of this one is"
                f" `{table['kind']}`"
            )
        ]


class TestName:
    def test_default_is_normalized(self) -> None:
        assert parse(RUNTIME, name="CPython_3.11").name == "cpython-3-11"

    @pytest.mark.parametrize("name", ["a", "cpython-3.11", "A_b", "0", "x" * 64, "console", "com"])
    def test_valid(self, name: str) -> None:
        assert parse({**RUNTIME, "name": name}).name == name

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("demo@1", "cannot hold `@`"),
            ("a/b", "must only contain ASCII"),
            ("a b", "must only contain ASCII"),
            (".hidden", "must begin and end with"),
            ("demo.", "must begin and end with"),
            ("démo", "must only contain ASCII"),
            ("demo\n", "must only contain ASCII"),
            ("..", "must only contain ASCII"),
            ("x" * 65, "cannot be longer than 64 characters"),
            ("con", "Windows reserves: `con`"),
            ("NUL", "Windows reserves: `NUL`"),
            ("com1.old", "Windows reserves: `com1.old`"),
        ],
    )
    def test_invalid(self, name: str, words: str) -> None:
        (fault,) = faults({**RUNTIME, "name": name})
        assert fault.startswith(f"Field `{T}.name` ")
        assert words in fault

    def test_invalid_by_default(self) -> None:
        assert faults(RUNTIME, name="Aux") == [
            (
                f"Field `{T}.name` (by default the project's name, `aux`) cannot be the name of a"
                " device, which Windows reserves: `aux`"
            )
        ]


class TestBaseLayers:
    def test_order_and_normal_form(self) -> None:
        table = {**FRAMEWORK, "base-layers": ["../../z/", "./../a/../b", "sub"]}
        assert parse(table).base_layers == (
            Path("/stack/z"),
            Path("/stack/apps/b"),
            ROOT / "sub",
        )

    def test_symlinks_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        project = tmp_path / "app"
        spec = parse_layer(
            {**FRAMEWORK, "base-layers": ["../link"]}, root=project, project=ProjectFacts("app")
        )
        assert spec.base_layers == (tmp_path / "link",)

    @pytest.mark.parametrize("kind", ["framework", "application"])
    def test_required(self, kind: str) -> None:
        assert faults({"kind": kind}) == [
            f"Missing required field `{T}.base-layers`: the folders of the layers under this one"
        ]

    def test_empty(self) -> None:
        assert faults({**FRAMEWORK, "base-layers": []}) == [
            f"Field `{T}.base-layers` must name the folder of one layer at least"
        ]

    def test_not_an_array(self) -> None:
        assert faults({**FRAMEWORK, "base-layers": "../x"}) == [
            f"Field `{T}.base-layers` must be an array of strings"
        ]

    def test_elements(self) -> None:
        place = f"in field `{T}.base-layers`"
        entries = [{"path": "../x"}, "", "../a", "../b/../a/", ".", "../demo"]
        assert faults({**FRAMEWORK, "base-layers": entries}) == [
            f"Base layer #1 {place} must be a string",
            f"Base layer #2 {place} cannot be an empty string",
            f"Base layer #4 {place} is there already, as `../a`: `../b/../a/`",
            f"Base layer #5 {place} is the project itself: `.`",
            f"Base layer #6 {place} is the project itself: `../demo`",
        ]

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("/opt/x", "must be a relative path"),
            ("C:/x", "must be a relative path"),
            ("c:x", "must be a relative path"),
            ("~/x", "must be a relative path, in which `~` has no meaning"),
            ("..\\x", "must have `/` between folders, on Windows too"),
            ("../x\n", "must not hold control characters"),
        ],
    )
    def test_other_paths(self, entry: str, words: str) -> None:
        shown = entry.replace("\n", "\\n")
        assert faults({**FRAMEWORK, "base-layers": [entry]}) == [
            (
                f"Base layer #1 in field `{T}.base-layers` {words}, because every checkout must"
                f" build the same stack: `{shown}`"
            )
        ]


class TestModules:
    @pytest.mark.parametrize(
        "entry", ["demo", "demo.cli", "_x", "./demo", "./demo/", "demo.py", "a-b/demo.py", "é.py"]
    )
    def test_launch_module_is_kept_as_written(self, entry: str) -> None:
        assert parse({**APPLICATION, "launch-module": entry}).launch_module == entry

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("demo-app", "must be a dotted name"),
            ("demo.", "must be a dotted name"),
            ("1x", "must be a dotted name"),
            ("-c", "must be a dotted name"),
            ("demo\\cli", "must have `/` between folders, on Windows too"),
            ("/demo.py", "must be a relative path"),
            ("../demo.py", "must not lead out of the project's folder"),
            ("a/../../demo", "must not lead out of the project's folder"),
            ("./demo-app", "must end with a name that can be imported, which `demo-app` cannot"),
            ("demo.cli.py", "must end with a name that can be imported, which `demo.cli` cannot"),
            (".py", "must end with a name that can be imported"),
            ("./", "must end with a name that can be imported"),
            ("demo/__main__.py", "must name the package's folder, and not its `__main__`"),
        ],
    )
    def test_launch_module_refused(self, entry: str, words: str) -> None:
        (fault,) = faults({**APPLICATION, "launch-module": entry})
        assert fault.startswith(f"Field `{T}.launch-module` {words}")
        assert fault.endswith(f": `{entry}`")

    def test_support_modules(self) -> None:
        entries = ["helpers", "lib/tools/", "lib/one.py"]
        assert parse({**APPLICATION, "support-modules": entries}).support_modules == tuple(entries)

    def test_support_modules_refused(self) -> None:
        place = f"in field `{T}.support-modules`"
        table = {
            **APPLICATION,
            "launch-module": "bin/start.py",
            "support-modules": [1, "start", "a/x.py", "b/x", "../y", "a.b"],
        }
        assert faults(table) == [
            f"Support module #1 {place} must be a string",
            (
                f"Support module #2 {place} has the module name `start`, which `bin/start.py` has"
                " already: `start`"
            ),
            f"Support module #4 {place} has the module name `x`, which `a/x.py` has already: `b/x`",
            f"Support module #5 {place} must not lead out of the project's folder: `../y`",
            (
                f"Support module #6 {place} must end with a name that can be imported, which `a.b`"
                " cannot: `a.b`"
            ),
        ]

    def test_a_dotted_launch_module_is_no_path(self) -> None:
        table = {**APPLICATION, "launch-module": "demo", "support-modules": ["demo"]}
        assert parse(table).support_modules == ("demo",)

    @given(st.from_regex(r"(\./|[a-z]{1,3}/){0,3}[a-z_]{1,8}(\.py|/)", fullmatch=True))
    def test_names_of_paths(self, entry: str) -> None:
        assert is_module_path(entry)
        assert module_name(entry).isidentifier()
        stem = posixpath.join("x", entry).rstrip("/").rpartition("/")[2]
        assert module_name(entry) == stem.removesuffix(".py")


class TestLockFile:
    @pytest.mark.parametrize(
        ("entry", "path"),
        [
            ("pylock.toml", "/stack/apps/demo/pylock.toml"),
            ("locks/pylock.a-b.toml", "/stack/apps/demo/locks/pylock.a-b.toml"),
        ],
    )
    def test_valid(self, entry: str, path: str) -> None:
        assert parse({**RUNTIME, "lock-file": entry}).lock_file == Path(path)

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("uv.lock", "must name a file `pylock.toml`"),
            ("pylock.a.b.toml", "must name a file `pylock.toml`"),
            ("pylock.toml/", "must name a file `pylock.toml`"),
            ("PYLOCK.toml", "must name a file `pylock.toml`"),
            ("/tmp/pylock.toml", "must be a relative path"),  # noqa: S108
            ("a\\pylock.toml", "must have `/` between folders"),
            ("../pylock.toml", "must lie in the project's folder"),
        ],
    )
    def test_invalid(self, entry: str, words: str) -> None:
        (fault,) = faults({**RUNTIME, "lock-file": entry})
        assert fault.startswith(f"Field `{T}.lock-file` {words}")


class TestArchiveFormat:
    @pytest.mark.parametrize("value", ["tar.zst", "tar.xz", "tar.gz", "tar", "zip"])
    def test_valid(self, value: str) -> None:
        assert str(parse({**RUNTIME, "archive-format": value}).archive_format) == value

    @pytest.mark.parametrize(
        ("value", "meant"),
        [("tar.zstd", "tar.zst"), ("TAR.GZ", "tar.gz"), ("Tar", "tar"), (".zip", "zip")],
    )
    def test_unknown(self, value: str, meant: str) -> None:
        assert faults({**RUNTIME, "archive-format": value}) == [
            (
                f"Field `{T}.archive-format` must be one of `tar.zst`, `tar.xz`, `tar.gz`, `tar`,"
                f" `zip`, not `{value}`; did you mean `{meant}`?"
            )
        ]

    def test_nothing_like_any(self) -> None:
        (fault,) = faults({**RUNTIME, "archive-format": "squashfs"})
        assert fault.endswith("not `squashfs`")

    @pytest.mark.parametrize("value", [["zip"], True, 1])
    def test_of_another_type(self, value: object) -> None:
        assert faults({**RUNTIME, "archive-format": value}) == [
            f"Field `{T}.archive-format` must be a string"
        ]


class TestNumbersAndBooleans:
    @pytest.mark.parametrize("value", [True, "9", 9.0, None])
    def test_compression_level_of_another_type(self, value: object) -> None:
        assert faults({**RUNTIME, "compression-level": value}) == [
            f"Field `{T}.compression-level` must be an integer"
        ]

    @given(st.integers())
    def test_compression_level(self, level: int) -> None:
        table = {**RUNTIME, "compression-level": level}
        if 1 <= level <= 19:
            assert parse(table).compression_level == level
        else:
            assert faults(table) == [
                f"Field `{T}.compression-level` must be from 1 to 19, not {level}"
            ]

    @pytest.mark.parametrize("value", [1, 9, 20, "9"])
    def test_compression_level_of_what_is_not_compressed(self, value: object) -> None:
        table = {**RUNTIME, "archive-format": "tar"}
        assert parse(table).archive_format is ArchiveFormat.TAR
        assert faults({**table, "compression-level": value}) == [
            (
                f"Field `{T}.compression-level` cannot be set, because the `archive-format` is"
                " `tar`, which is not compressed"
            )
        ]

    @pytest.mark.parametrize("value", [0, 1, "true"])
    def test_include_project(self, value: object) -> None:
        assert faults({**RUNTIME, "include-project": value}) == [
            f"Field `{T}.include-project` must be a boolean"
        ]
        assert parse({**RUNTIME, "include-project": True}).include_project is True
        assert parse(RUNTIME).include_project is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(sorted(LAYER_OPTIONS)) | st.text(max_size=8), json_values),
    st.sampled_from([{}, RUNTIME, FRAMEWORK, APPLICATION]),
)
def test_any_table_is_valid_or_refused_line_by_line(
    table: dict[str, Any], valid: dict[str, Any]
) -> None:
    try:
        spec = parse({**valid, **table})
    except ConfigError as error:
        starts = ("Field ", "Unknown ", "Missing ")
        for line in error.message.splitlines():
            assert line.startswith(starts) or " #" in line
            assert line.isprintable()
    else:
        assert spec.kind in LayerKind


@given(st.text(string.ascii_letters + string.digits + "._-@ /é", min_size=1, max_size=70))
def test_a_valid_name_is_one_folder(name: str) -> None:
    try:
        spec = parse({**RUNTIME, "name": name})
    except ConfigError:
        return
    assert Path(ROOT, spec.name).parent == ROOT
    assert spec.name.isascii()
    assert "@" not in spec.name
