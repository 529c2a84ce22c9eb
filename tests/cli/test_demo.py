"""`tradewind demo`, whole: what `make demo` runs."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from tradewind.cli import exits
from tradewind.cli.demo import leftovers, setting

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 120.0


@pytest.mark.end_to_end
@pytest.mark.timeout(240)
def test_the_demo_loses_a_machine_recovers_and_leaves_nothing(tmp_path: pathlib.Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "NO_COLOR": "1",
        "AWS_ACCESS_KEY_ID": "not-a-key",  # credentials that lie around must not matter
        "AWS_SECRET_ACCESS_KEY": "not-a-key",
    }
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "tradewind.cli", "demo"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    took = time.monotonic() - began
    assert ran.returncode == exits.OK, ran.stdout + ran.stderr
    text = ran.stdout
    assert "proven cheapest" in text
    assert "gradients from 2 node(s)" in text
    assert int(re.search(r"resumed from the checkpoint at step (\d+)", text)[1]) > 0  # type: ignore[index]
    assert float(re.search(r"test accuracy ([\d.]+)", text)[1]) >= 0.95  # type: ignore[index]
    kinds = re.findall(r"^ +[\d.]+ s  (\w+)", text, re.MULTILINE)
    timeline = kinds[kinds.index("planned", kinds.index("succeeded")) :]  # the second time, from the event rows
    told = [kind for kind in timeline if kind in {"planned", "up", "preempted", "recovering", "recovered", "succeeded"}]
    assert told == ["planned", "up", "preempted", "recovering", "up", "recovered", "succeeded"]
    assert "rows still up: 0   instance directories: 0   processes: 0" in text
    assert leftovers.processes(str(tmp_path)) == ()
    assert [path.name for path in tmp_path.glob("tradewind-demo-*")] == []
    if os.getloadavg()[0] < 2 * (os.cpu_count() or 1):  # on a machine that others keep busy, seconds say nothing
        assert took < LIMIT_S


def test_no_credential_is_seen_by_the_daemon() -> None:
    seen = setting.without_credentials(
        {"AWS_PROFILE": "x", "GOOGLE_APPLICATION_CREDENTIALS": "y", "PATH": "/bin", "HOME": "/h"}, "/nowhere"
    )
    assert (seen.pop("PATH"), seen.pop("HOME"), seen.pop("AWS_EC2_METADATA_DISABLED")) == ("/bin", "/h", "true")
    assert all(value.startswith("/nowhere/") for value in seen.values())
    assert not {"AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS"} & seen.keys()


def test_the_private_world_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "x")
    monkeypatch.setenv("TRADEWIND_DATA_DIR", "/elsewhere")
    with setting.private_world() as directory:
        assert os.environ["TRADEWIND_DATA_DIR"] == directory
        assert "AWS_PROFILE" not in os.environ
        assert os.stat(directory).st_mode & 0o77 == 0
    assert os.environ["TRADEWIND_DATA_DIR"] == "/elsewhere"
    assert os.environ["AWS_PROFILE"] == "x"
    assert not os.path.exists(directory)


@pytest.mark.end_to_end
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tradewind.cli", "demo"],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            if "epoch" in line:
                break
        running.send_signal(number)
        _, error = running.communicate(timeout=60)
    assert running.returncode == exits.INTERRUPTED, error
    assert "Traceback" not in error
    assert leftovers.settled(str(tmp_path)) == ()
    assert [path.name for path in tmp_path.glob("tradewind-demo-*")] == []
