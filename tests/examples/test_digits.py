"""The digits example as a person runs it alone: a killed run goes on to the same network, to the last bit. That it learns, the demo's test shows."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAIN = [sys.executable, str(ROOT / "examples" / "digits" / "train.py"), "--target", "0"]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}


def finished(*flags: str) -> str:
    ran = subprocess.run(
        [*TRAIN, *flags], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    return ran.stdout


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


@pytest.mark.end_to_end
def test_a_killed_run_resumes_and_ends_with_the_same_network(tmp_path: pathlib.Path) -> None:
    whole = finished("--steps", "80")
    flags = ["--steps", "80", "--checkpoints", str(tmp_path), "--checkpoint-every", "0.2"]
    with subprocess.Popen([*TRAIN, *flags], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        shown = 0
        for line in killed.stdout:
            shown = int(match[1]) if (match := re.search(r"step +(\d+)/80", line)) else shown
            if shown > 1:
                break
        assert 1 < shown < 80
        killed.send_signal(signal.SIGKILL)
        killed.stdout.read()  # its workers hold the pipe until they have noticed
    resumed = finished(*flags)
    assert 0 < int(found(r"resumed from the checkpoint at step (\d+)", resumed)) < 80
    assert found(r"fingerprint (\w+)", resumed) == found(r"fingerprint (\w+)", whole)
