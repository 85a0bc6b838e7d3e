"""Layers from named indexes, through the front ends: who serves what, and what no file tells."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import tomlkit
from monorepo import RUNTIME, Monorepo
from simple_index import SimpleIndex, serving
from wheels import make_wheel

from hatch_venvstacks.model.formats.toml import parse_toml, read_toml
from hatch_venvstacks.model.lock_file import read_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from front_end import FrontEnds

CPU = {"name": "torch-cpu", "url": "../../indexes/cpu", "format": "flat", "explicit": True}
CU = {"name": "torch-cu", "url": "../../indexes/cu", "format": "flat", "explicit": True}
SECRET = "hunter2"  # noqa: S105 (what the tests look for)


@pytest.fixture
def monorepo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    # uv keeps what it found in a folder by the folder's path: it is a new one in every session.
    root = tmp_path / wheel_index.name[:8]
    repo = Monorepo(root, wheel_index, front_ends)
    make_wheel(wheel_index, "vl-accel", "1.0", requires=["vl-torch>=2"])
    make_wheel(wheel_index, "vl-torch", "9.0")
    for folder, local in (("cpu", "cpu"), ("cu", "cu126")):
        files = {"vl_torch.py": f"FLAVOUR = {local!r}\n"}
        make_wheel(root / "indexes" / folder, "vl-torch", f"2.0+{local}", files)
    repo.runtime()
    return repo


def torch(repo: Monorepo, name: str, index: Mapping[str, Any]) -> Path:
    return repo.layer(
        f"frameworks/{name}",
        dependencies=["vl-torch"],
        base=[RUNTIME],
        tool={"uv": {"index": [index]}},
        package_indexes={"vl-torch": index["name"]},
    )


def locked(root: Path) -> dict[str, str]:
    lock = read_lock(root / "pylock.venvlayer.toml")
    return {str(package.name): str(package.version) for package in lock.pylock.packages}


def lock_all(repo: Monorepo, *folders: str, **options: Any) -> None:
    for folder in folders:
        repo.build(folder, "lock", **options)


def edit(root: Path, change: Callable[[Any], None]) -> None:
    path = root / "pyproject.toml"
    document = tomlkit.parse(path.read_text("utf-8"))
    change(document)
    path.write_text(tomlkit.dumps(document), "utf-8")


def layer_table(document: Any) -> Any:
    return document["tool"]["hatch"]["build"]["targets"]["venvlayer"]


def test_torch_from_two_indexes_in_one_monorepo(monorepo: Monorepo) -> None:
    cpu, cu = torch(monorepo, "cpu", CPU), torch(monorepo, "cu", CU)
    lock_all(monorepo, RUNTIME, "frameworks/cpu", "frameworks/cu")
    assert (locked(cpu), locked(cu)) == ({"vl-torch": "2.0+cpu"}, {"vl-torch": "2.0+cu126"})
    [wheel] = read_toml(cpu / "pylock.venvlayer.toml")["packages"]
    [file] = wheel["wheels"]
    assert file["path"] == "../../indexes/cpu/vl_torch-2.0+cpu-py3-none-any.whl"

    # Applications inherit it, also for what they require through other packages.
    for name in ("cpu", "cu"):
        base = [f"frameworks/{name}"]
        monorepo.layer(f"apps/on-{name}", dependencies=["vl-accel"], base=base)
        monorepo.build(f"apps/on-{name}", "lock")
        assert locked(monorepo.root / f"apps/on-{name}") == {"vl-accel": "1.0"}
        monorepo.build(f"apps/on-{name}")

    both = ["frameworks/cpu", "frameworks/cu"]
    top = monorepo.layer("apps/both", dependencies=["vl-accel"], base=both)
    done = monorepo.build("apps/both", "lock", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "`vl-torch` is to come from two indexes in layer `both`" in done.stderr
    line = re.search(r"`(index-overrides = .*)`", done.stderr)
    assert line is not None
    # The line that is suggested is one that helps.
    suggested = parse_toml(line[1])["index-overrides"]
    edit(top, lambda document: layer_table(document).update({"index-overrides": suggested}))
    monorepo.build("apps/both", "lock")
    assert locked(top) == {"vl-accel": "1.0"}


def test_in_a_layer_that_adds_it_through_another_package(monorepo: Monorepo) -> None:
    root = monorepo.layer(
        "apps/app",
        dependencies=["vl-accel"],
        base=[RUNTIME],
        tool={"uv": {"index": [CPU, CU], "sources": {"vl-torch": {"index": "torch-cpu"}}}},
    )
    lock_all(monorepo, RUNTIME, "apps/app")
    assert locked(root) == {"vl-accel": "1.0", "vl-torch": "2.0+cpu"}
    text = (root / "pylock.venvlayer.toml").read_text("utf-8")
    inputs = parse_toml(text)["tool"]["hatch-venvstacks"]["indexes"]
    assert inputs == {"index": [CPU], "sources": {"vl-torch": ["torch-cpu"]}}
    assert str(monorepo.root) not in text

    # A pin is kept where the index has a newer version since, and with other indexes it is not.
    make_wheel(monorepo.root / "indexes/cpu", "vl-torch", "2.1+cpu")
    edit(root, lambda document: document["project"]["dependencies"].append("vl-accel>0"))
    monorepo.build("apps/app", "lock")
    assert locked(root)["vl-torch"] == "2.0+cpu"
    edit(
        root,
        lambda document: layer_table(document).update(
            {"package-indexes": {"vl-torch": "torch-cu"}}
        ),
    )
    done = monorepo.build("apps/app", check=False)
    assert done.returncode == 1
    assert "`vl-torch` is now taken from index `torch-cu`, was `torch-cpu`" in done.stderr
    monorepo.build("apps/app", "lock")
    assert locked(root)["vl-torch"] == "2.0+cu126"


def test_priority(monorepo: Monorepo) -> None:
    torch(monorepo, "cpu", CPU)
    nightly = {**CU, "name": "nightly"}
    root = monorepo.layer(
        "apps/app",
        dependencies=["vl-torch"],
        base=[RUNTIME],
        tool={"uv": {"index": [nightly]}},
    )
    lock_all(monorepo, RUNTIME, "apps/app")
    assert locked(root) == {"vl-torch": "9.0"}
    edit(root, lambda document: layer_table(document).update({"priority-indexes": ["nightly"]}))
    done = monorepo.build("apps/app", check=False)
    assert "index added: `nightly` (../../indexes/cu)" in done.stderr
    monorepo.build("apps/app", "lock")
    assert locked(root) == {"vl-torch": "2.0+cu126"}


def test_above_a_layer_with_priorities(monorepo: Monorepo) -> None:
    monorepo.layer(
        "frameworks/fw",
        dependencies=["vl-torch"],
        base=[RUNTIME],
        tool={"uv": {"index": [CU]}},
        priority_indexes=["torch-cu"],
    )
    make_wheel(monorepo.root / "indexes/cu", "vl-accel", "2.0")
    lock_all(monorepo, RUNTIME, "frameworks/fw")
    for name, dependencies in (("one", ["vl-accel"]), ("two", ["vl-accel", "vl-torch>1"])):
        base = ["frameworks/fw"]
        root = monorepo.layer(f"apps/{name}", dependencies=dependencies, base=base)
        monorepo.build(f"apps/{name}", "lock")
        # The index that came first below is explicit here.
        assert locked(root) == {"vl-accel": "1.0"}
        monorepo.build(f"apps/{name}")


def test_a_layer_below_may_change_what_does_not_matter(monorepo: Monorepo) -> None:
    framework = torch(monorepo, "cpu", CPU)
    app = monorepo.layer("apps/app", dependencies=["vl-accel"], base=["frameworks/cpu"])
    make_wheel(monorepo.root / "indexes/cu", "vl-other", "1.0")
    lock_all(monorepo, RUNTIME, "frameworks/cpu", "apps/app")
    before = (app / "pylock.venvlayer.toml").read_text("utf-8")

    def change(document: Any) -> None:
        document["tool"]["uv"]["index"].append(CU)
        layer_table(document)["package-indexes"]["vl-other"] = "torch-cu"

    edit(framework, change)
    monorepo.build("frameworks/cpu", "lock")
    done = monorepo.build("apps/app", "lock")
    assert "is up to date" in done.stdout + done.stderr
    assert (app / "pylock.venvlayer.toml").read_text("utf-8") == before


def test_a_wheel_that_is_built_anew(monorepo: Monorepo) -> None:
    root = torch(monorepo, "cpu", CPU)
    lock_all(monorepo, RUNTIME, "frameworks/cpu")
    monorepo.build("frameworks/cpu")
    before = (root / "pylock.venvlayer.toml").read_text("utf-8")
    files = {"vl_torch.py": "FLAVOUR = 'another'\n"}
    make_wheel(monorepo.root / "indexes/cpu", "vl-torch", "2.0+cpu", files)
    done = monorepo.build("frameworks/cpu", check=False)
    assert done.returncode == 1
    assert "the local wheel has changed: ../../indexes/cpu/vl_torch-2.0+cpu" in done.stderr
    monorepo.build("frameworks/cpu", "lock")
    assert (root / "pylock.venvlayer.toml").read_text("utf-8") != before
    monorepo.build("frameworks/cpu")


def test_exclude_newer(monorepo: Monorepo) -> None:
    root = monorepo.layer("apps/app", dependencies=["vl-torch"], base=[RUNTIME])
    lock_all(monorepo, RUNTIME, "apps/app")
    edit(root, lambda document: document["tool"].update(uv={"exclude-newer": "2026-01-01"}))
    done = monorepo.build("apps/app", check=False)
    assert "`exclude-newer` is now 2026-01-01, was not set" in done.stderr
    monorepo.build("apps/app", "lock")
    assert 'exclude-newer = "2026-01-01"' in (root / "pylock.venvlayer.toml").read_text("utf-8")


def test_air_gapped(monorepo: Monorepo) -> None:
    root = torch(monorepo, "cpu", CPU)
    cut = {
        "UV_OFFLINE": "1",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    }
    lock_all(monorepo, RUNTIME, "frameworks/cpu", env=cut)
    monorepo.build("frameworks/cpu", env=cut)
    assert locked(root) == {"vl-torch": "2.0+cpu"}
    # Without any index: find-links of the project alone.
    app = monorepo.layer(
        "apps/app",
        dependencies=["vl-torch"],
        base=[RUNTIME],
        tool={"uv": {"find-links": ["../../indexes/cu"], "no-index": True}},
    )
    monorepo.build("apps/app", "lock", env={**cut, "UV_FIND_LINKS": "", "UV_DEFAULT_INDEX": ""})
    assert locked(app) == {"vl-torch": "2.0+cu126"}
    monorepo.build("apps/app", env=cut)


def private(
    repo: Monorepo, index: SimpleIndex, user: str, password: str, dependency: str = "vl-private"
) -> tuple[Path, dict[str, str]]:
    """A layer of what only ``index`` has, and the environment with the credentials for it."""
    root = repo.layer(
        "apps/app",
        dependencies=[dependency],
        base=[RUNTIME],
        tool={"uv": {"index": [{"name": "my.corp", "url": index.url}]}},
    )
    return root, {"UV_INDEX_MY_CORP_USERNAME": user, "UV_INDEX_MY_CORP_PASSWORD": password}


def files_with(secrets: Iterable[str], *folders: Path) -> list[Path]:
    words = [secret.encode() for secret in secrets]
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and any(word in path.read_bytes() for word in words)
    ]


@pytest.mark.parametrize("password", ["hunter2", "p@ss/hunter2:?#%"])
def test_credentials_from_the_environment(
    monorepo: Monorepo, tmp_path: Path, password: str
) -> None:
    make_wheel(tmp_path / "private", "vl-private", "1.0")
    with serving(SimpleIndex(tmp_path / "private", f"joe:{password}")) as index:
        root, environment = private(monorepo, index, "joe", password)
        monorepo.build(RUNTIME, "lock")
        said = ""
        for version, env in itertools.product(("lock", ""), ({}, environment)):
            # Without them it fails; with the verbose output of everything that may print it.
            more = {"HATCH_VERBOSE": "3", "RUST_LOG": "trace", **env}
            done = monorepo.build("apps/app", version, env=more, check=bool(env))
            said += done.stdout + done.stderr
            if not env and version == "lock":
                assert done.returncode == 1
        assert [status for _, status in index.requests].count(401) > 0
        other = root / "pyproject.toml"
        other.write_text(other.read_text("utf-8").replace("vl-private", "vl-not-there"), "utf-8")
        done = monorepo.build("apps/app", "lock", env=environment, check=False)
        assert done.returncode == 1
        assert "vl-not-there" in done.stderr
        said += done.stdout + done.stderr
    secrets = (password, quote(password, safe=""), SECRET)
    assert not [secret for secret in secrets if secret in said]
    assert files_with(secrets, monorepo.root) == []
    assert list(root.glob("dist/venvlayer/*.json"))
    lock = read_lock(root / "pylock.venvlayer.toml").pylock
    [package] = lock.packages
    assert package.index == index.url.rstrip("/") or package.index == index.url


@pytest.mark.parametrize(
    ("userinfo", "query"),
    [
        ("joe:hunter2", ""),
        ("joe:p%40ss-hunter2", ""),
        ("hunter2", ""),
        ("joe:hunter2", "?token=hunter2x"),
        ("", "?hunter2"),
    ],
)
def test_credentials_in_an_address_of_the_environment(
    monorepo: Monorepo, tmp_path: Path, userinfo: str, query: str
) -> None:
    make_wheel(tmp_path / "private", "vl-private", "1.0")
    with serving(SimpleIndex(tmp_path / "private")) as index:
        root = monorepo.layer("apps/app", dependencies=["vl-private"], base=[RUNTIME])
        monorepo.build(RUNTIME, "lock")
        url = index.url.replace("//", f"//{userinfo}@" if userinfo else "//", 1) + query
        environment = {"UV_INDEX": f"corp={url}"}
        said: list[str] = []
        for dependency, bad in (("vl-private", False), ("vl-not-there", True)):
            edit(root, lambda d, name=dependency: d["project"].update(dependencies=[name]))  # type: ignore[misc]
            done = monorepo.build("apps/app", "lock", env=environment, check=not bad)
            said += [done.stdout, done.stderr]
        broken = {"UV_INDEX": f"corp={url.replace('127.0.0.1:', '127.0.0.1:x')}"}
        done = monorepo.build("apps/app", "lock", env=broken, check=False)
        assert done.returncode == 1
        said += [done.stdout, done.stderr]
    assert SECRET not in "".join(said)
    assert files_with([SECRET], monorepo.root) == []
    assert locked(root) == {"vl-private": "1.0"}


def secret_urls() -> Sequence[str]:
    return (
        "https://joe:hunter2@corp.example/simple",
        "https://joe:p%40ss-hunter2@corp.example/simple",
        "https://hunter2@corp.example/simple",
        "https://corp.example/simple?token=hunter2",
        "git@hunter2:wheels",
        "https://joe:hun/hunter2@corp.example/simple",
    )


@pytest.mark.parametrize("url", secret_urls())
def test_credentials_in_the_project(monorepo: Monorepo, url: str) -> None:
    monorepo.layer(
        "apps/app", base=[RUNTIME], tool={"uv": {"index": [{"name": "corp", "url": url}]}}
    )
    monorepo.build(RUNTIME, "lock")
    done = monorepo.build("apps/app", "lock", check=False, env={"HATCH_VERBOSE": "3"})
    assert done.returncode == 1
    assert "index #1 in field `tool.uv.index`" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_sources_that_a_layer_cannot_have(monorepo: Monorepo) -> None:
    source = {"git": "https://joe:hunter2@git.example/vl-torch"}
    monorepo.layer(
        "apps/app",
        dependencies=["vl-torch"],
        base=[RUNTIME],
        tool={"uv": {"sources": {"vl_torch": source}}},
    )
    monorepo.build(RUNTIME, "lock")
    done = monorepo.build("apps/app", "lock", check=False)
    assert "Field `tool.uv.sources.vl-torch` of layer `app` is a Git repository" in done.stderr
    assert SECRET not in done.stdout + done.stderr
