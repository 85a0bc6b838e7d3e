"""The command that compares with peers (``hatch run bench``): its figures, and one small stack."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import compare
import peer
import pytest
import run_peer
import stacks
import table
from measure import CommandError, Usage, measure, size_of
from peer import Peer
from results import OURS, Sample, medians
from standins import Runtime

if TYPE_CHECKING:
    from pathlib import Path

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux does")

BUSY = """\
import subprocess, sys, time
block = bytearray(b"x") * 60_000_000
until = time.process_time() + 0.3
while time.process_time() < until:
    pass
if len(sys.argv) > 1:
    subprocess.run([sys.executable, *sys.argv[:1]], check=True)
time.sleep(0.2)
"""


@linux
def test_time_and_memory_are_those_of_a_command_and_its_children(tmp_path: Path) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY, "utf-8")
    # What this process holds is not the command's.
    held = bytearray(b"x") * 300_000_000
    alone, both = (
        measure(
            [sys.executable, script, *more],
            cwd=tmp_path,
            env=os.environ,
            log=tmp_path / "log",
            watch=True,
        )
        for more in ([], ["with a child"])
    )
    assert held
    # On a busy machine each takes longer, but never computes while it sleeps.
    assert 0.3 < alone.cpu < alone.wall - 0.15
    assert 0.6 < both.cpu < both.wall - 0.3
    assert alone.wall > 0.5
    assert both.wall > 1
    assert 60_000_000 < alone.peak < 120_000_000
    # One process at its largest, and all of them together.
    assert 60_000_000 < both.peak < 120_000_000 < both.together < 240_000_000


def test_a_command_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with pytest.raises(CommandError, match=r"(?s)failed with 1:\nno luck"):
        measure(command, cwd=tmp_path, env=os.environ, log=tmp_path / "log")


def test_one_command_after_another_takes_both_times_and_the_larger_memory() -> None:
    assert Usage(1, 2, 30, 4) + Usage(10, 20, 3, 40) == Usage(11, 22, 30, 40)


def test_links_have_no_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert size_of(tmp_path.iterdir()) == 5


def sample(step: str, tool: str, wall: float, size: int = 0, **more: float) -> Sample:
    usage = Usage(wall, more.get("cpu", wall), 50_000_000, int(more.get("together", 0)))
    return Sample("sci", step, tool, usage, size)


SAMPLES = [
    sample("start", OURS, 0.1),
    sample("cold", peer.NAME, 80, 100_000_000),
    sample("cold-plain", OURS, 9, 120_000_000),
    sample("cold-plain", OURS, 5, 120_000_000),
    sample("cold-plain", OURS, 4, 120_000_000),
    sample("warm", OURS, 2, 120_000_000),
    sample("nothing", OURS, 0.9, cpu=0.6),
    sample("nothing", peer.NAME, 4, cpu=3),
    sample("edit", OURS, 1.2),
    sample("install", "uv venv, hard links", 0.5),
]


def test_medians_are_of_each_figure() -> None:
    found = medians(SAMPLES)["sci", "cold-plain", OURS]
    assert (found.median.usage.wall, found.median.size, found.runs) == (5, 120_000_000, 3)


def test_targets_are_met_missed_or_not_measured() -> None:
    found = {
        (one.target.step, one.target.measure): (one.reached, one.met)
        for one in table.outcomes(SAMPLES, {"sci": 3, "generated-1": 3})
    }
    assert found["cold-plain", "wall"] == (16, True)
    assert found["warm", "wall"] == (40, False)
    assert found["cold-plain", "size"] == (1.2, True)
    assert found["cold", "wall"] == (None, None)
    assert found["nothing", "cpu"] == (5, True)
    reached, met = found["nothing", "beyond"]
    assert reached == pytest.approx(0.2)
    assert met is False
    reached, met = found["edit", "beyond"]
    assert reached == pytest.approx(1.1)
    assert met is False


def test_ratios_are_of_the_rounds_in_which_both_were_measured() -> None:
    later = [
        replace(sample("cold-plain", OURS, 1, 120_000_000), number=number) for number in range(1, 9)
    ]
    line = next(line for line in table.figures([*SAMPLES, *later]).splitlines() if "plain" in line)
    assert [cell.strip() for cell in line.split("|")][4:-1] == [
        *("11", "1.00", "1.00", "50", "120.0"),
        *("16.00", "16.00"),
    ]
    found = table.outcomes([*SAMPLES, *later], {"sci": 3})
    assert next(one.reached for one in found if one.target.step == "cold-plain") == 16


def test_memory_is_that_of_all_processes_and_only_torchs_has_a_target() -> None:
    of_torch = Sample("torch", "memory", OURS, Usage(9, 9, 1, 200_000_000))
    found = [one for one in table.outcomes([of_torch], {"torch": 4}) if one.reached is not None]
    assert [(one.reached, one.met) for one in found] == [(200, True)]


def test_tables_have_a_line_for_each_median_and_each_target() -> None:
    lines = table.figures(SAMPLES).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    steps = ["start", "cold", "cold-plain", "warm", "nothing", "nothing", "edit", "install"]
    assert [line[1] for line in cells[2:]] == steps
    by_step = {(line[1], line[2]): line[3:] for line in cells[2:]}
    assert by_step["cold-plain", OURS] == ["3", "5.00", "5.00", "50", "120.0", "16.00", "16.00"]
    assert by_step["cold", peer.NAME][-2:] == ["", ""]
    # That tool does less than ours: the ratio says how much.
    assert by_step["install", "uv venv, hard links"][-2:] == ["0.25", "0.25"]
    assert "| tar \\| xz |" in table.figures([sample("pack", "tar | xz", 1)])
    shown = table.targets(table.outcomes(SAMPLES, {"sci": 3}))
    assert "| store warm " in shown
    assert "≥ 60" in shown
    assert "**no**" in shown
    assert "not measured" in shown


def test_what_is_kept_says_what_was_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = compare.Report(
        {"date": "today"},
        {"sci": 3},
        list(SAMPLES),
        {"torch": "no wheel"},
        {"sci": {"ours": {}, "different": {"numpy": ["2", "1"]}}},
    )
    file = tmp_path / "figures.json"
    compare.keep(report, file)
    assert compare.main(["--", "--show", str(file)]) == 0
    assert capsys.readouterr().out == report.shown() + "\n"
    assert "- date: today" in report.shown()
    assert "torch: no wheel" in report.shown()
    assert "'numpy': ['2', '1']" in report.shown()


def test_the_peer_gets_the_same_stack_in_its_own_words(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / "cpython.tar.gz", "3.11.7", "0" * 64)
    stack = stacks.sci().grown()
    tool = Peer(stack, tmp_path / "peer", tmp_path / "python", runtime, {})
    tool.write()
    text = (tmp_path / "peer/venvstacks.toml").read_text("utf-8")
    assert 'python_implementation = "cpython@3.11.7"' in text
    assert 'requirements = ["scikit-learn", "iniconfig"]\nruntime = "rt"' in text
    assert 'launch_module = "bench_launch.py"\nrequirements = []\nframeworks = ["sklearn"]' in text
    assert (tmp_path / "peer/bench_launch.py").read_text("utf-8") == stack.launch


def test_only_the_download_of_the_peer_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pbs_installer

    archive = tmp_path / "cpython.tar.gz"
    archive.write_bytes(b"packed")
    program = (
        "import pbs_installer, sys\nsays = pbs_installer.download(('https://x', None), sys.argv[1])"
    )
    (tmp_path / "venvstacks").mkdir()
    (tmp_path / "venvstacks/__main__.py").write_text(f"{program}\nprint(says)\n", "utf-8")
    monkeypatch.setattr(pbs_installer, "download", None)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run_peer.py", str(archive), str(tmp_path / "there")])
    run_peer.main()
    assert (tmp_path / "there").read_bytes() == b"packed"


def test_a_stack_that_is_not_built_is_not_measured(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / "cpython.tar.gz", "3.11.7", "0" * 64)
    tool = Peer(stacks.sci(), tmp_path / "peer", tmp_path / "python", runtime, {})
    root = tmp_path / "root"
    with pytest.raises(CommandError, match="not all layers of sci are built"):
        tool.unpack(root)
    assert not root.exists()


def test_without_a_wheel_torch_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    options = compare._options(["--stack", "torch", "--find-links", str(tmp_path)])
    report = compare.Report({})
    assert list(compare.chosen(options, tmp_path, report)) == []
    assert report.skipped["torch"].endswith(f"and this Python in: {tmp_path}")


def test_made_up_distributions_are_of_about_the_size_that_they_should_be(tmp_path: Path) -> None:
    stack = stacks.changing(2, 1, tmp_path, size=100_000)
    assert stack.layers[1].requirements == ("vl-part-000==1.0", "vl-part-001==1.0")
    assert stacks.bumped(2, 1) == ("vl-part-000==2.0", "vl-part-001==1.0")
    names = sorted(path.name.split("-py3")[0] for path in tmp_path.glob("*.whl"))
    assert names == ["vl_part_000-1.0", "vl_part_000-2.0", "vl_part_001-1.0"]
    shutil.unpack_archive(next(tmp_path.glob("vl_part_000-1*")), tmp_path / "out", "zip")
    assert 80_000 < size_of((tmp_path / "out").rglob("*")) < 120_000


@linux
def test_a_generated_stack_is_built_edited_and_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, work = tmp_path / "figures.json", tmp_path / "work"
    steps = [f"--only={step}" for step in ("deploy", "edit")]
    chosen = ["--stack=generated", "--frameworks=1", "--repeat=1", "--peer-repeat=0"]
    assert compare.main([*chosen, *steps, f"--json={file}", f"--work={work}"]) == 0
    assert "generated-1" in capsys.readouterr().out
    values = json.loads(file.read_text("utf-8"))
    found = {one["step"]: one for one in values["samples"]}
    assert list(found) == ["edit", "unpack", "first-run", "deploy"]
    assert found["deploy"]["wall"] == found["unpack"]["wall"] + found["first-run"]["wall"]
    assert found["edit"]["note"] == ""
    assert all(one["wall"] > 0 < one["cpu"] for one in values["samples"])
    assert values["layers"] == {"generated-1": 3}
    # What the application imports is in the layers below it.
    assert "all found" in (work / "generated-1/shipped/log").read_text("utf-8")
