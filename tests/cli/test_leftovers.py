"""Counting what is left finds what is there, and nothing else."""

from __future__ import annotations

import pathlib
import subprocess
import sys

from tradewind.cli.demo import leftovers

SLEEP = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]


def test_a_process_is_found_by_its_environment_and_gone_when_it_is(tmp_path: pathlib.Path) -> None:
    mark = str(tmp_path / "private")
    assert leftovers.processes(mark) == ()
    with subprocess.Popen(SLEEP, stdin=-1, stdout=-1, env={"MARK": f"x={mark}/y"}) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = leftovers.processes(mark)
        assert len(found) == 1
        assert found[0].startswith(f"process {child.pid}: ")
        child.communicate()
    assert leftovers.processes(mark) == ()


def test_directories_are_listed(tmp_path: pathlib.Path) -> None:
    assert leftovers.directories(str(tmp_path / "never")) == ()
    (tmp_path / "i-1").mkdir()
    assert leftovers.directories(str(tmp_path)) == (str(tmp_path / "i-1"),)


def test_anything_left_counts() -> None:
    assert not leftovers.Leftovers((), (), ())
    assert leftovers.Leftovers((), (), ("cluster a: UP",))
