"""Distributions of PyPI that are hard to split: spread over layers, unpacked, and run.

Each stack stands on the same runtime, a copy of the interpreter that runs the tests. What is run
there has an empty environment.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import demo
import pytest
from deployed import run
from interpreters import some_interpreter
from monorepo import RUNTIME, Monorepo, pypi, write
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name

from hatch_venvstacks.model.formats.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from front_end import FrontEnds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds"),
    pytest.mark.xdist_group("hard distributions"),
]

X86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="these wheels are for x86-64")
CHECKS = (
    *("split-package", "shadowed-module", "file-conflict", "case-conflict"),
    *("hidden-file", "missing-library"),
)

# Of every distribution that is seen: how often, and which files are not as its RECORD says.
METADATA = """\
import base64, collections, hashlib, json, re
from importlib.metadata import distributions
count, wrong = collections.Counter(), []
for one in distributions():
    count[re.sub("[-_.]+", "-", one.metadata["Name"]).lower() + " " + one.version] += 1
    for file in one.files:
        path = file.locate()
        if not path.is_file():
            wrong.append([one.metadata["Name"], str(file), "missing"])
        elif file.hash:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                wrong.append([one.metadata["Name"], str(file), "different"])
print(json.dumps([count, wrong]))
"""


@dataclass(frozen=True)
class Deployed:
    """A stack in the deployment root: its uppermost ``layer``, and what the builds ``said``.

    ``versions`` are the distributions of the whole stack, by its locks.
    """

    layer: Path
    said: str
    versions: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """What the interpreter of the layer prints, in an empty folder."""
        return self.script("python", *arguments)

    def script(self, name: str, *arguments: str) -> str:
        elsewhere = self.layer.parent.parent / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return run([self.layer / "bin" / name, *arguments], elsewhere).stdout

    def facts(self, source: str, *options: str) -> Any:
        """What ``source`` has in ``found`` at its end."""
        program = f"{source}\nimport json\nprint(json.dumps(found))\n"
        return json.loads(self.run(*options, "-c", program))

    @property
    def warnings(self) -> list[str]:
        """What the checks of layers had to say, each with the check's name at its end."""
        return re.findall(rf"^.*\((?:{'|'.join(CHECKS)})\)$", self.said, re.MULTILINE)


@dataclass(frozen=True)
class Stacks:
    """Builds stacks on one runtime, and unpacks them into one deployment ``root``."""

    repo: Monorepo
    root: Path

    def build(self, name: str, *layers: Sequence[str], **table: Any) -> Deployed:
        """Build frameworks ``name-1`` and so on, each on the one before, and an application.

        ``layers`` are their requirements; ``table`` is for the application. What metadata says of
        all of them is checked.
        """
        base, said, versions = RUNTIME, [], dict[str, str]()
        for number, requirements in enumerate(layers, 1):
            top = number == len(layers)
            folder = f"{'apps' if top else 'frameworks'}/{name}-{number}"
            more = table if top else {}
            self.repo.layer(
                folder, dependencies=requirements, base=[base], compression_level=1, **more
            )
            said.append(self.repo.build(folder, env=pypi()).stderr)
            (archive,) = (self.repo.root / folder / "dist" / "venvlayer").glob("*.tar.zst")
            demo.unpack(archive, self.root)
            text = (self.repo.root / folder / "pylock.venvlayer.toml").read_text("utf-8")
            added = Pylock.from_dict(parse_toml(text)).packages
            versions |= {str(one.name): str(one.version) for one in added}
            base = folder
        found = Deployed(self.root / f"{name}-{len(layers)}", "".join(said), versions)
        seen, wrong = json.loads(found.run("-c", METADATA))
        assert seen == {f"{name} {version}": 1 for name, version in versions.items()}
        assert wrong == []
        return found


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory, front_ends: FrontEnds) -> Stacks:
    some_interpreter()
    folder = tmp_path_factory.mktemp("hard")
    repo = Monorepo(folder / "repo", folder / "wheels", front_ends)
    (folder / "wheels").mkdir()
    repo.runtime(compression_level=1)
    repo.build(RUNTIME)
    root = folder / "deployed here"
    root.mkdir()
    for archive in repo.archives():
        demo.unpack(archive, root)
    return Stacks(repo, root)


# A namespace of path files, or one that they have a part in, is made before the interpreter has
# put anything else on `sys.path`; in isolated mode nothing comes later.
ISOLATED = ((), ("-I",))


@pytest.mark.parametrize("protobuf", ["protobuf", "protobuf==3.20.3"])
def test_google(stacks: Stacks, protobuf: str) -> None:
    """PEP 420; protobuf up to 3.20 makes the namespace by a path file."""
    stack = stacks.build(
        f"google{len(protobuf)}",
        [protobuf],
        ["googleapis-common-protos"],
        ["google-api-core", "google-cloud-core"],
    )
    assert stack.warnings == []
    for options in ISOLATED:
        found = stack.facts(
            "import google.api_core.exceptions, google.cloud.client, google.auth\n"
            "from google.rpc.status_pb2 import Status\n"
            "found = Status.FromString(Status(code=3, message='x').SerializeToString()).message",
            *options,
        )
        assert found == "x"


def test_azure(stacks: Stacks) -> None:
    stack = stacks.build("azure", ["azure-core"], ["azure-common"], ["azure-storage-blob"])
    assert stack.warnings == []
    found = stack.facts(
        "import azure.core.exceptions, azure.common\n"
        "from azure.storage.blob import BlobClient\n"
        "found = BlobClient.from_blob_url('https://x.blob.core.windows.net/c/b').blob_name"
    )
    assert found == "b"


@pytest.mark.parametrize("event", ["zope.event", "zope.event==5.0"])
def test_zope(stacks: Stacks, event: str) -> None:
    """PEP 420; older releases make the namespace by a path file."""
    name = f"zope{len(event)}"
    stack = stacks.build(name, [event], ["zope.interface"], ["zope.component"])
    assert stack.warnings == []
    for options in ISOLATED:
        found = stack.facts(
            "import zope.event\n"
            "from zope.component import getUtility, provideUtility\n"
            "from zope.interface import Interface, implementer\n"
            "class IOne(Interface): pass\n"
            "@implementer(IOne)\n"
            "class One: name = 'one'\n"
            "provideUtility(One())\n"
            "found = getUtility(IOne).name",
            *options,
        )
        assert found == "one"


def test_paste(stacks: Stacks) -> None:
    """A namespace that path files make in every layer."""
    stack = stacks.build("paste", ["Paste", "setuptools<81"], ["PasteDeploy"], ["PasteScript"])
    assert stack.warnings == []
    for options in ISOLATED:
        found = stack.facts(
            "import paste.deploy, paste.urlmap, paste.script.command as command\n"
            "found = sorted(command.get_commands())",
            *options,
        )
        # Commands are plugins.
        assert {"create", "request", "serve"} <= {*found}


def test_backports(stacks: Stacks) -> None:
    """pkgutil-style in two layers, PEP 420 between them."""
    stack = stacks.build(
        "backports", ["backports.tarfile"], ["backports.strenum"], ["backports.cached-property"]
    )
    assert stack.warnings == []
    source = (
        "from backports import cached_property, strenum, tarfile\nfound = len(backports.__path__)"
    )
    assert stack.facts(f"import backports\n{source}") == 3


@X86_64
def test_nvidia(stacks: Stacks) -> None:
    """An empty ``__init__.py`` in older releases, none in newer ones, and libraries beside them."""
    stack = stacks.build(
        "nvidia",
        ["nvidia-nvtx-cu12==12.1.105"],
        ["nvidia-cufile-cu12==1.11.1.6"],
        ["nvidia-cuda-runtime-cu12==12.1.105"],
    )
    found = stack.facts(
        "import ctypes, nvidia.cuda_runtime.lib, nvidia.cufile, nvidia.nvtx.lib\n"
        "folder = nvidia.cuda_runtime.lib.__path__[0]\n"
        "version = ctypes.c_int()\n"
        "library = ctypes.CDLL(f'{folder}/libcudart.so.12')\n"
        "found = [library.cudaRuntimeGetVersion(ctypes.byref(version)), version.value]"
    )
    assert found == [0, 12010]


def test_jupyter(stacks: Stacks) -> None:
    """Data in ``share/`` and ``etc/``, which programs find by ``sys.prefix``."""
    stack = stacks.build("jupyter", ["jupyter-core", "traitlets"], ["nbconvert", "notebook-shim"])
    assert stack.warnings == []
    found = stack.facts(
        "import nbformat.v4 as v4\n"
        "from nbconvert.exporters import HTMLExporter\n"
        "book = v4.new_notebook(cells=[v4.new_markdown_cell('# Hi')])\n"
        "found = HTMLExporter().from_notebook_node(book)[0]"
    )
    assert '<h1 id="Hi">' in found
    listed = stack.script("jupyter-server", "extension", "list")
    assert f"Config dir: {stack.layer / 'etc' / 'jupyter'}" in listed
    assert re.search(r"notebook_shim .*enabled", listed)
    source = (
        "from importlib.metadata import files\n"
        "found = [str(one) for one in files('notebook-shim') if 'etc/' in str(one)]"
    )
    place = "etc/jupyter/jupyter_server_config.d/notebook_shim.json"
    assert stack.facts(source) == [f"../../../{place}"]
    assert (stack.layer / place).is_file()


def test_manual_pages(stacks: Stacks) -> None:
    stack = stacks.build("pages", [], ["yt-dlp"])
    assert stack.script("yt-dlp", "--version").strip()
    assert ".SH NAME" in (stack.layer / "share/man/man1/yt-dlp.1").read_text("utf-8")


def test_setuptools(stacks: Stacks) -> None:
    """A path file that changes how `distutils` is imported, and plugins in another layer."""
    stack = stacks.build("setup", ["setuptools"], ["setuptools-scm"])
    assert stack.warnings == []
    found = stack.facts(
        "import sys\n"
        "hooks = [type(one).__name__ for one in sys.meta_path]\n"
        "import distutils, setuptools\n"
        "found = [hooks.count('DistutilsMetaFinder'), distutils.__file__]"
    )
    assert found[0] == 1
    assert found[1].startswith(str(stacks.root / "setup-1"))
    source = (
        "from importlib.metadata import entry_points\n"
        "group = entry_points(group='setuptools.finalize_distribution_options')\n"
        "found = sorted(one.dist.name for one in group if callable(one.load()))"
    )
    assert stack.facts(source) == ["setuptools", "setuptools", "setuptools-scm"]


def test_ruff(stacks: Stacks) -> None:
    """A binary among the scripts of a wheel, which the package starts itself."""
    for name, layers, owner in (("below", [["ruff"], []], 1), ("own", [["rich"], ["ruff"]], 2)):
        stack = stacks.build(name, *layers)
        binary = stacks.root / f"{name}-{owner}" / "bin" / "ruff"
        assert binary.read_bytes().startswith(b"\x7fELF")
        version = f"ruff {stack.versions['ruff']}\n"
        assert run([binary, "--version"], stacks.root).stdout == version
        assert stack.run("-m", "ruff", "--version") == version


def test_pytest(stacks: Stacks, tmp_path: Path) -> None:
    """Plugins that are found through entry points, below pytest, and above it."""
    stack = stacks.build("tests", ["pytest"], ["pytest-mock"], ["pytest-asyncio"])
    assert stack.warnings == []
    write(
        tmp_path,
        {
            "test_it.py": "import asyncio, os, pytest\n"
            "def test_mock(mocker):\n"
            "    mocker.patch('os.getcwd', return_value='there')\n"
            "    assert os.getcwd() == 'there'\n"
            "@pytest.mark.asyncio\n"
            "async def test_asyncio():\n"
            "    await asyncio.sleep(0)\n"
        },
    )
    said = stack.run("-m", "pytest", "-p", "no:cacheprovider", str(tmp_path))
    assert "2 passed" in said
    plugins = {
        f"{name.removeprefix('pytest-')}-{version}"
        for name, version in stack.versions.items()
        if name in ("pytest-mock", "pytest-asyncio")
    }
    (line,) = re.findall("^plugins: (.*)$", said, re.MULTILINE)
    assert sorted(line.split(", ")) == sorted(plugins)


def test_opentelemetry(stacks: Stacks) -> None:
    """A namespace, plugins over three layers, and a nested ``sitecustomize.py``."""
    stack = stacks.build(
        "otel",
        ["opentelemetry-api"],
        ["opentelemetry-sdk", "opentelemetry-instrumentation"],
        ["opentelemetry-propagator-b3"],
    )
    assert stack.warnings == []
    found = stack.facts(
        "import os, sys\n"
        "os.environ['OTEL_PROPAGATORS'] = 'tracecontext,b3'\n"
        "from opentelemetry.propagate import get_global_textmap\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "found = [type(one).__module__ for one in get_global_textmap()._propagators]\n"
        "found.append('sitecustomize' in sys.modules)"
    )
    names = ["opentelemetry.trace.propagation.tracecontext", "opentelemetry.propagators.b3"]
    assert found == [*names, False]


def test_keyring(stacks: Stacks) -> None:
    stack = stacks.build("keys", ["keyring"], ["keyrings.alt"])
    assert stack.warnings == []
    source = (
        "from keyring.backend import get_all_keyring\n"
        "found = [type(one).__module__ for one in get_all_keyring()]"
    )
    assert {"keyring.backends.chainer", "keyrings.alt.file"} <= {*stack.facts(source)}


def test_twisted(stacks: Stacks) -> None:
    """A distribution that puts a module into the folder of another one's regular package."""
    layers = ["twisted"], ["daphne"]
    with pytest.raises(AssertionError, match="twisted") as caught:
        stacks.build("plugins", *layers)
    for words in ("daphne", "split-package", "`plugins-1`"):
        assert words in str(caught.value)
    # Twisted looks for its plugins in all folders of this name itself.
    ignored = {"split-package": {"twisted*": "ignore"}}
    stack = stacks.build("plugins", *layers, checks=ignored)
    source = (
        "from twisted.plugin import getPlugins\n"
        "from twisted.internet.interfaces import IStreamServerEndpointStringParser as parser\n"
        "found = [type(one).__module__ for one in getPlugins(parser)]"
    )
    assert "twisted.plugins.fd_endpoint" in stack.facts(source)


@X86_64
def test_eigenpy(stacks: Stacks) -> None:
    """A prefix of its own below site-packages, shared by distributions in two layers.

    A path file's line looks for it in all of ``sys.path``; a library in it needs others in it.
    """
    stack = stacks.build("eigen", ["cmeel-boost", "numpy"], ["eigenpy"])
    assert [line for line in stack.warnings if "eigenpy" in line] == []
    for options in ISOLATED:
        found = stack.facts(
            "import eigenpy, numpy\n"
            "found = eigenpy.AngleAxis(0.0, numpy.array([0.0, 0.0, 1.0])).matrix().tolist()",
            *options,
        )
        assert found == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@X86_64
def test_tbb(stacks: Stacks) -> None:
    """Libraries among the data files of a wheel: in ``lib/`` of the layer."""
    stack = stacks.build("threads", ["tcmlib"], ["tbb==2023.2.0"], ["tbb4py==2023.2.0"])
    assert stack.facts("import tbb; found = tbb.Pool(2).map(abs, [-1, -2])") == [1, 2]


@X86_64
def test_umf(stacks: Stacks) -> None:
    """One of two libraries that are meant to lie side by side in ``lib/``."""
    stack = stacks.build("memory", ["tcmlib"], ["umf"])
    assert stack.warnings == []
    source = (
        "import ctypes, sys\n"
        "library = ctypes.CDLL(f'{sys.prefix}/lib/libumf.so.1')\n"
        "found = library.umfGetCurrentVersion() > 0"
    )
    assert stack.facts(source) is True


@X86_64
def test_mpi4py(stacks: Stacks) -> None:
    """A library that is opened by its bare name, and needed by one that says no folder."""
    layers = ["mpich"], ["mpi4py"]
    stack = stacks.build("mpi", *layers, dynlib_preload=["libmpi.so.12"])
    source = "from mpi4py import MPI\nfound = [MPI.COMM_WORLD.size, MPI.Get_library_version()[:5]]"
    assert stack.facts(source) == [1, "MPICH"]
    # The drivers of networks, which machines have that have such networks; and another MPI.
    drivers = [line for line in stack.warnings if "mpich" in line]
    assert {name for name in ("libibverbs.so.1", "libmlx5.so.1") if name in " ".join(drivers)}
    (other,) = (line for line in stack.warnings if "libmpi.so.40" in line)
    assert "mpi4py" in other
    ignored = {"missing-library": {"mpi4py": "ignore"}}
    stack = stacks.build("mpi", *layers, dynlib_preload=["libmpi.so.12"], checks=ignored)
    assert not any("libmpi.so.40" in line for line in stack.warnings)
    with pytest.raises(AssertionError, match=r"libmpi\.so\.40"):
        stacks.build("mpi", *layers, checks={"missing-library": "error"})


def test_pip(stacks: Stacks) -> None:
    """What pip sees when the interpreter of the application runs it."""
    stack = stacks.build("pips", ["pip", "requests"], ["flask"], ["rich", "httpx"])
    listed = json.loads(stack.run("-m", "pip", "list", "--format", "json", "--no-cache-dir"))
    seen = [(canonicalize_name(one["name"]), one["version"]) for one in listed]
    assert sorted(seen) == sorted(stack.versions.items())
    assert stack.run("-m", "pip", "check") == "No broken requirements found.\n"
