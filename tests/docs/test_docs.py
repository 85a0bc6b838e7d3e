"""The documentation: every fenced snippet in README.md and below docs/ runs, or is validated.

A page is followed from top to bottom, as a reader would, in a folder of its own:

- A snippet with a title is a file: it is written under that name, relative to the page's folder.
  Of JSON files the content is compared with the one that the tutorial's build gave.
- In ``console`` snippets, lines that begin with ``$ `` are run, all of a page in one session: the
  current folder and exported variables last. Each must succeed. The lines between are what it
  prints, and are compared. A line ``...`` stands for any lines, ``...`` within one for any text.
- ``toml`` is parsed; a layer's table must be valid, a lock must be what would be written.
  ``json`` must fit one of the schemas. ``python`` is compiled, and run where it has no title.
  ``text`` is for pictures of folders and the like, and no other language may stand there.

Pages are written for CPython 3.11 (3.11.7) on ``linux_x86_64``: these are replaced by those at
hand. Numbers with a dot (versions) stand for any such number. What Hatch says of its environments
is passed over.

HTML comments say what else matters; those of a snippet stand in the line before it:

- ``<!-- test: start: tutorial -->``: the page begins in the folder where the tutorial ended.
- ``<!-- test: exit N -->``: the snippet's last command fails with exit code N.
- ``<!-- test: skip: REASON -->``: the snippet is not run. There are few, and they are counted.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docs_pages import PAGES, ROOT, Page, Snippet, read_page
from docs_terminal import VERSION_PATTERN, open_terminal, pattern_of
from filelock import FileLock
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from hatch_venvstacks.config import environment_variables, inherited_variables
from hatch_venvstacks.config.layer_table import parse_layer
from hatch_venvstacks.deployment.published import FORMAT
from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.lock_file import dump_lock, read_lock
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform
from hatch_venvstacks.plugin.pyproject import TARGET, layer_table, project_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from front_end import FrontEnds

TUTORIAL = "docs/tutorial/first-stack.md"
# The two commands of the first snippet in README.md, which are for a fresh machine: one of them
# runs these tests, the other one has a test of its own.
FRESH_MACHINE = ["pip install hatch && hatch run demo", "hatch test"]
SKIPPED = {
    TUTORIAL: 2,
    "docs/how-to/build-for-other-platforms.md": 1,
    "docs/how-to/measure.md": 1,
    "docs/how-to/private-index.md": 2,
    "docs/how-to/runtime-source.md": 2,
}
TYPES = "integer|string|array|object|object or null|string or null"
LANGUAGES = ("console", "json", "python", "text", "toml")
VERSION = re.compile(VERSION_PATTERN)
SCHEMAS = {
    name: json.loads((ROOT / f"docs/schemas/{name}.schema.json").read_text("utf-8"))
    for name in ("layer", "archive")
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)

runs_pages = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("bash", "tar", "zstd"))),
    reason="the pages are for Linux with bash, tar and zstd",
)


@pytest.fixture(scope="session")
def tutorial(front_ends: FrontEnds, shared_folder: Path) -> Path:
    """The folder of somebody who has followed the tutorial; it must not be changed."""
    folder = shared_folder / "tutorial"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "stack").mkdir(parents=True)
            terminal = open_terminal(folder / "stack", front_ends, folder / "programs")
            terminal.follow(read_page(ROOT / TUTORIAL))
            (folder / "done").touch()
    return folder / "stack"


@runs_pages
def test_tutorial(tutorial: Path) -> None:
    assert (tutorial / "moved here/greet/bin/greet").is_file()
    assert not (tutorial / "unpacked").exists()


@runs_pages
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.is_run and page.name != TUTORIAL], ids=str
)
def test_page(
    page: Page, front_ends: FrontEnds, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root = tmp_path / "page"
    if page.starts_at_tutorial:
        ignored = shutil.ignore_patterns("moved here")
        shutil.copytree(request.getfixturevalue("tutorial"), root, symlinks=True, ignore=ignored)
    else:
        root.mkdir()
    open_terminal(root, front_ends, tmp_path / "programs").follow(page)


@pytest.mark.parametrize(
    ("expected", "said", "fits"),
    [
        ("adds attrs 25.3.0\n", "adds attrs 26.10\n", True),
        ("adds attrs 25.3.0\n", "adds rich 25.3.0\n", False),
        ("4 wheels\n", "5 wheels\n", False),
        (".../lock (x)\n", "/a/b/lock (x)\n", True),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\n", "a\n", True),
        ("a\n...\nc\n", "a\nb\n", False),
        ("  attrs 26.1.0    67.5 kB\n", "  attrs 26.10.0   7.5 kB\n", True),
        ("  attrs 26.1.0    67.5 kB\n", "attrs 26.1.0    67.5 kB\n", False),
        ("  attrs 26.1.0    67.5 kB\n", "  attrs 26.1.0 67.5 kB\n", False),
        ("a\n", "a\nb\n", False),
        ("", "a\n", False),
    ],
)
def test_what_a_command_prints_is_compared(expected: str, said: str, fits: bool) -> None:
    assert (re.fullmatch(pattern_of(expected), said) is not None) is fits


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_snippets_are_valid(page: Page, tmp_path: Path) -> None:
    for snippet in page.snippets:
        assert snippet.language in LANGUAGES, snippet
        if snippet.language == "toml":
            check_toml(snippet.text, tmp_path)
        elif snippet.language == "python":
            compile(snippet.text, str(snippet), "exec")
        elif snippet.language == "json":
            value = json.loads(snippet.text)
            validate("archive" if "archive" in value else "layer", value)
        elif snippet.language == "console" and snippet.text.splitlines() != FRESH_MACHINE:
            assert snippet.text.startswith("$ "), f"{snippet} does not begin with a command"


def check_toml(text: str, folder: Path) -> None:
    raw = parse_toml(text)
    if "lock-version" in raw:
        path = folder / "pylock.venvlayer.toml"
        path.write_text(text, "utf-8")
        assert dump_lock(read_lock(path)) == text
    elif TARGET in raw.get("tool", {}).get("hatch", {}).get("build", {}).get("targets", {}):
        raw = {"project": {"name": "demo", "version": "1"}, **raw}
        metadata = ProjectMetadata("/stack/demo", PluginManager(), raw)
        facts = project_facts(metadata)
        spec = parse_layer(layer_table(metadata), root=Path("/stack/demo"), project=facts)
        assert spec.project_name == raw["project"]["name"]


def validate(schema: str, value: Any) -> None:
    Draft202012Validator(SCHEMAS[schema], registry=REGISTRY).validate(value)


def test_skipped_snippets_are_few() -> None:
    skipped = {page.name: [s.skipped for s in page.snippets if s.skipped] for page in PAGES}
    assert {name: len(reasons) for name, reasons in skipped.items() if reasons} == SKIPPED


def test_readme_begins_with_what_a_fresh_machine_needs() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    first = text.partition("```console\n")[2].partition("```\n")[0]
    assert first.splitlines() == FRESH_MACHINE


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schema_is_strict(schema: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[schema])
    for name, part in objects(SCHEMAS[schema]):
        assert part["additionalProperties"] is False, name
        optional = set(part["properties"]) - set(part["required"])
        assert optional <= {"name", "version"}, name


def objects(schema: Any) -> Iterator[tuple[str, Any]]:
    for name, part in fields(schema):
        inner = part.get("items", part)
        if "properties" in inner and "type" in inner:
            yield name, inner


def fields(schema: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All fields that a schema has, as ``base_layers[].name``."""
    yield prefix, schema
    inner = schema.get("items", {})
    for name, part in {**schema.get("properties", {}), **inner.get("properties", {})}.items():
        dots = f"{prefix}[]." if inner else f"{prefix}."
        yield from fields(part, f"{dots}{name}".lstrip("."))


@pytest.mark.parametrize(
    ("schema", "heading"), [("layer", "layer.json"), ("archive", "The metadata of an archive")]
)
def test_every_field_is_described(schema: str, heading: str) -> None:
    page = (ROOT / "docs/reference/layer-json.md").read_text("utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    described = dict(re.findall(rf"^\| `([^`]+)` \| ({TYPES}) \|", section, re.MULTILINE))
    known = {}
    for name, part in fields(SCHEMAS[schema]):
        types = part.get("type", "string")  # those by reference are strings
        known[name] = types if isinstance(types, str) else " or ".join(types)
    assert described == {name: types for name, types in known.items() if name}
    assert re.findall(r"^\| `format` \|.*\| `(\d+)` \|$", section, re.MULTILINE) == [str(FORMAT)]


@runs_pages
def test_built_layers_fit_the_schemas(tutorial: Path) -> None:
    described = list(tutorial.glob("moved here/*/share/venvlayer/layer.json"))
    published = list(tutorial.glob("*/*/dist/venvlayer/*.json"))
    assert len(described) == len(published) == 3
    for path in described:
        validate("layer", json.loads(path.read_text("utf-8")))
    for path in published:
        validate("archive", json.loads(path.read_text("utf-8")))


ZIP = {"algorithm": "deflate", "level": 9, "library": "1.3.1"}
XZ = {"algorithm": "xz", "level": 9, "library": "cpython-3.11.7"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"file": "a.zip", "format": "zip", "compression": ZIP}, ""),
        ({"file": "a.zip", "format": "zip", "compression": {**ZIP, "library": "1.3"}}, ""),
        (
            {
                "file": "a.zip",
                "format": "zip",
                "compression": {**ZIP, "library": "1.3.1.zlib-ng"},
            },
            "",
        ),
        ({"file": "a.zip"}, "a.zip"),
        ({"compression": ZIP}, "deflate"),
        ({"format": "zip", "compression": ZIP}, "tar.zst"),
        ({"file": "a.zip", "format": "zip"}, "zstd"),
        ({"file": "a.zip", "format": "zip", "compression": {**ZIP, "level": 10}}, "10"),
        ({"file": "a.tar.gz", "format": "tar.gz", "compression": {**ZIP, "algorithm": "gzip"}}, ""),
        ({"file": "a.tar.gz", "format": "tar.gz", "compression": ZIP}, "deflate"),
        ({"file": "a.tar.gz", "format": "tar.gz"}, "zstd"),
        ({"file": "a.tar.xz", "format": "tar.xz", "compression": XZ}, ""),
        ({"file": "a.tar.xz", "format": "tar.xz", "compression": {**XZ, "level": 19}}, "19"),
        ({"file": "a.tar.gz", "format": "tar.xz", "compression": XZ}, "a.tar.gz"),
        ({"file": "a.tar", "format": "tar", "compression": None}, ""),
        ({"file": "a.tar", "format": "tar"}, "zstd"),
        ({"file": "a.tar.gz", "format": "tar", "compression": None}, "a.tar.gz"),
        ({"file": "a.tar"}, "a.tar"),
        ({"compression": None}, "None"),
        ({"file": "a.zip", "format": "zip", "compression": None}, "None"),
        ({"file": "a.tar.bz2", "format": "tar.bz2"}, "tar.bz2"),
    ],
)
def test_formats_of_archives(changes: dict[str, Any], fault: str) -> None:
    (shown,) = (s for p in PAGES for s in p.snippets if s.title.endswith(".tar.zst.json"))
    value = json.loads(shown.text)
    value["archive"].update(changes)
    if not fault:
        validate("archive", value)
        return
    with pytest.raises(ValidationError, match=re.escape(fault)):
        validate("archive", value)


@runs_pages
def test_unknown_fields_are_refused(tutorial: Path) -> None:
    (path,) = tutorial.glob("apps/greet/dist/venvlayer/*.json")
    value = json.loads(path.read_text("utf-8"))
    value["layer"]["launch"]["arguments"] = []
    with pytest.raises(ValidationError, match="arguments"):
        validate("archive", value)


@runs_pages
@pytest.mark.parametrize(
    "snippet", [s for p in PAGES for s in p.snippets if s.language == "json" and s.title], ids=str
)
def test_json_is_what_the_tutorial_gives(snippet: Snippet, tutorial: Path) -> None:
    here = host_platform().name
    path = tutorial / snippet.title.replace("linux_x86_64", here)
    shown = json.loads(snippet.text.replace("linux_x86_64", here))
    assert general(shown) == general(json.loads(path.read_text("utf-8")))


def general(value: Any) -> Any:
    """``value`` without what differs from build to build: numbers, versions, hashes."""
    if isinstance(value, dict):
        return {key: general(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [general(inner) for inner in value]
    if isinstance(value, str):
        value = re.sub(r"\bcp3\d+\b", "ABI", value)
        return re.sub(r"[0-9a-f]{64}", "HASH", VERSION.sub("VERSION", value))
    return type(value)


def test_environment_variables() -> None:
    page = (ROOT / "docs/reference/environment.md").read_text("utf-8")
    ours, passed = (
        set(
            re.findall(r"`([A-Z_]+\*?)`", "".join(re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)))
        )
        for part in page.split("\n## Passed on to uv\n")[:2]
    )
    assert ours == {
        environment_variables.CACHE_VARIABLE,
        environment_variables.SIZE_VARIABLE,
        environment_variables.LOCKED,
        environment_variables.UPGRADE,
        environment_variables.PLATFORM,
        environment_variables.SOURCE_DATE_EPOCH,
        environment_variables.MIRROR,
        inherited_variables.NO_INDEX,
    }
    # `UV_INDEX(_\w+)?` is `UV_INDEX` and `UV_INDEX_*` there.
    names = (
        re.sub(r"\s", "", inherited_variables.UV_VARIABLES.pattern)
        .removeprefix("UV_(")
        .removesuffix(")")
        .split("|")
    )
    text = " ".join(f"UV_{name}" for name in names)
    text = re.sub(r"(\w+)\(_\\w\+\)\?", r"\1 \1_*", text).replace(r"\w+", "*")
    assert {name for name in passed if name.startswith("UV_")} == set(text.split())


def test_platforms_are_listed() -> None:
    page = (ROOT / "docs/reference/platforms.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in PLATFORMS)
    assert SCHEMAS["layer"]["properties"]["platform"]["enum"] == list(PLATFORMS)


def test_navigation_and_links() -> None:
    docs = ROOT / "docs"
    navigation = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(navigation) == sorted(
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md")
    )
    for page in PAGES:
        path = ROOT / page.name
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{page.name}: {link}"


STRUCTURE = (ROOT / "docs/explanation/structure.md").read_text("utf-8")
PACKAGE = ROOT / "hatch_venvstacks"


def test_order_of_the_rooms_is_that_of_the_contract() -> None:
    shown = STRUCTURE.partition("\n## Who imports whom\n")[2].split("```text\n")[1].split("```")[0]
    linter = parse_toml((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (rooms,) = (each["layers"] for each in linter["contracts"] if each["id"] == "rooms")
    assert shown.splitlines() == rooms


def test_every_room_is_in_the_page_with_its_task() -> None:
    tasks = dict(re.findall(r"^\| `(\w+)/` \| (.*?) \|", STRUCTURE, re.MULTILINE))
    found = {}
    for path in PACKAGE.glob("*/__init__.py"):
        task = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        found[path.parent.name] = re.sub(r":mod:`hatch_venvstacks\.", "`", task).replace("``", "`")
    assert tasks == found


def test_files_in_the_page_of_the_rooms_exist() -> None:
    for room, row in re.findall(r"^\| `(\w+)/` \|(.*)$", STRUCTURE, re.MULTILINE):
        files = re.findall(r"`(\w+(?:\.py|/))`", row)
        assert len(files) > 1, room
        assert [name for name in files if not (PACKAGE / room / name).exists()] == []
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for name in re.findall(r"`((?:[\w-]+/)+(?:[\w.-]+\.\w+)?)`", STRUCTURE + contributing):
        places = (ROOT, PACKAGE, ROOT / "tests")
        assert any((place / name).exists() for place in places), name
