"""torch in a framework, transformers in one on it, an application on both: as one environment.

PyPI's wheel for Linux comes with gigabytes of CUDA, so this needs the CPU's wheel in a folder that
`PIP_FIND_LINKS` or `HATCH_VENVLAYER_TEST_WHEELS` names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deployed import run, unpack_all
from interpreters import interpreter_or_skip
from monorepo import RUNTIME, Monorepo, pypi, write
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

from hatch_venvstacks.model.lock_file import read_lock

if TYPE_CHECKING:
    from front_end import FrontEnds

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("torch")]

VARIABLES = ("HATCH_VENVLAYER_TEST_WHEELS", "PIP_FIND_LINKS")
TENSORS, MODELS, APP = "frameworks/tensors", "frameworks/models", "apps/app"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROGRAM = """\
import json
import sys
from importlib.metadata import version

import torch
from transformers import BertConfig, BertModel


def main():
    torch.manual_seed(7)
    config = BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=24)
    model = BertModel(config).eval()
    with torch.no_grad():
        out = model(torch.arange(12).reshape(2, 6)).last_hidden_state
    total = [round(float(value), 4) for value in out.sum(dim=(1, 2))]
    same = all(version(name) == sys.modules[name].__version__ for name in ("torch", "transformers"))
    print(json.dumps([list(out.shape), total, same, sorted(torch.ones(3).numpy().tolist())]))


if __name__ == "__main__":
    main()
"""


def torch_wheel() -> Path:
    """The newest CPU wheel that fits the Python that runs the tests; skips where there is none."""
    tags = frozenset(sys_tags())
    found = {}
    for variable in VARIABLES:
        for folder in os.environ.get(variable, "").split():
            for path in Path(folder).glob("torch-*+cpu-*.whl"):
                _, version, _, wheel_tags = parse_wheel_filename(path.name)
                if wheel_tags & tags:
                    found[version] = path
    if not found:
        pytest.skip(f"no torch wheel for the CPU and Python {MINOR} in {' or '.join(VARIABLES)}")
    return found[max(found)]


@pytest.mark.skipif(sys.platform != "linux", reason="the CPU wheels are Linux's")
def test_a_model_runs_as_in_one_environment(tmp_path: Path, front_ends: FrontEnds) -> None:
    wheel = torch_wheel()
    pinned = "torch==" + str(parse_wheel_filename(wheel.name)[1])
    index = {"name": "cpu", "url": wheel.parent.as_uri(), "format": "flat", "explicit": True}
    cpu = {"uv": {"index": [index], "sources": {"torch": {"index": "cpu"}}}}
    (tmp_path / "none").mkdir()
    repo = Monorepo(tmp_path / "repo", tmp_path / "none", front_ends)
    repo.runtime(compression_level=1)
    torch = [pinned, "numpy"]
    repo.layer(TENSORS, dependencies=torch, base=[RUNTIME], tool=cpu, compression_level=1)
    repo.layer(MODELS, dependencies=["transformers"], base=[TENSORS], compression_level=1)
    project = {"scripts": {"model": "app:main"}}
    repo.layer(APP, dependencies=["torch", "transformers"], base=[MODELS], project=project)
    write(repo.root / APP, {"app.py": PROGRAM})
    said = {layer: repo.build(layer, env=pypi()) for layer in (RUNTIME, TENSORS, MODELS, APP)}
    assert not any("(split-package)" in one.stderr for one in said.values())
    root = unpack_all(repo.archives(), tmp_path / "some where")
    layered = run([root / "app/bin/model"], tmp_path, {"HOME": str(tmp_path)}).stdout

    pins = {
        name: version
        for layer in (TENSORS, MODELS)
        for name, version in read_lock(repo.root / layer / "pylock.venvlayer.toml")
        .versions("linux_x86_64")
        .items()
    }
    venv = tmp_path / "venv"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    for command in (
        ["venv", "--quiet", "--python", str(interpreter_or_skip(MINOR)), str(venv)],
        [
            *("pip", "install", "--quiet", "--no-deps", "--python", str(venv / "bin/python")),
            *("--find-links", str(wheel.parent)),
            *(f"{name}=={version}" for name, version in pins.items()),
        ],
    ):
        subprocess.run([find_uv_bin(), *command], check=True, env={**environment, **pypi()})
    script = repo.root / APP / "app.py"
    plain = run([venv / "bin/python", script], tmp_path, {"HOME": str(tmp_path)}).stdout
    assert layered == plain
    shape, _, same_versions, ones = json.loads(layered)
    assert (shape, same_versions, ones) == ([2, 6, 16], True, [1.0] * 3)
