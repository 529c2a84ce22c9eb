"""What a job uses: counted over real processes, their ended children and a stand-in for the GPU's tool."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from tradewind.agent.protocol import Usage
from tradewind.agent.usage import Counted, Sampler, between, count, nvidia_utilization, parse_utilization

BUSY = (
    "import time\nend = time.process_time() + 0.5\nheld = bytearray(64 << 20)\nwhile time.process_time() < end: pass\n"
)


def test_the_mean_of_cores_between_two_samples():
    earlier, later = (10.0, Counted(3.0, 0, 1)), (14.0, Counted(9.0, 3 << 30, 2))
    assert between(earlier, later) == Usage(cpus=1.5, memory_gib=3.0, processes=2)
    assert between(None, later).cpus == 0
    assert between(later, (16.0, Counted(1.0, 0, 1))).cpus == 0  # a child left and took its time with it


def test_ended_children_count_and_ended_processes_do_not():
    parent = subprocess.Popen(
        ["python3", "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\nprint(flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        parent.stdout.read(1)
        counted = count([parent.pid, 2**22 - 1])
        assert counted.processes == 1
        assert counted.cpu_s >= 0.45
        assert counted.resident_bytes > 1 << 20
    finally:
        parent.stdin.close()
        parent.stdout.close()
        parent.wait()
    assert count([parent.pid]) == Counted(0, 0, 0)


def test_a_sampler_tells_a_busy_job_from_a_quiet_one():
    mark = f"TRADEWIND_TEST=usage-{os.getpid()}"
    name, _, value = mark.partition("=")
    # it works until it is told to stop, so that the second sample sees work however late it comes
    script = "import os, sys, threading\nheld = bytearray(os.urandom(1) * (64 << 20))\nthreading.Thread(target=sys.stdin.read, daemon=True).start()\nprint(flush=True)\nwhile True: pass\n"
    busy = subprocess.Popen(
        ["python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, name: value}
    )
    assert busy.stdout is not None
    try:
        busy.stdout.read(1)
        sampler = Sampler(accelerators=lambda: (0.25,))
        first = sampler.sample({"busy": mark, "gone": "TRADEWIND_TEST=nobody"})
        assert first["busy"].cpus == 0
        assert first["busy"].memory_gib > 0.06
        assert first["busy"].accelerators == (0.25,)
        assert first["gone"] == Usage(0, 0, 0, (0.25,))
        before = count([busy.pid]).cpu_s
        deadline = time.monotonic() + 60
        while count([busy.pid]).cpu_s < before + 0.2:
            assert time.monotonic() < deadline
        assert sampler.sample({"busy": mark})["busy"].cpus > 0
        assert sampler.sample({}) == {}
        assert sampler.sample({"busy": mark})["busy"].cpus == 0  # forgotten meanwhile
    finally:
        busy.kill()
        busy.communicate()


def test_what_the_gpu_tool_prints(tmp_path, monkeypatch):
    assert parse_utilization("87\n 3\n[N/A]\n\n") == (0.87, 0.03, 1.0)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 42\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert nvidia_utilization() == (0.42,)
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert nvidia_utilization() == ()


@pytest.mark.parametrize("path", ["", "/nonexistent"])
def test_a_machine_without_gpus(monkeypatch, path):
    monkeypatch.setenv("PATH", path)
    assert nvidia_utilization() == ()
