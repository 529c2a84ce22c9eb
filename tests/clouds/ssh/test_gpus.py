"""Machines of one's own with GPUs: found, planned on, told and scheduled; one that was taken out since fails the launch with the reason."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clouds.lab.namespaces import Lab, open_lab
from clouds.ssh.desks import USER, Desks, open_desks

SMI = f"#!/bin/sh\ncat /home/{USER}/gpus\n"
TWO = "NVIDIA L4, 23034\n" * 2
SEEN = """from tradewind import runtime as ray
ray.init()

@ray.remote(num_gpus=2)
def where():
    import os
    return os.environ["CUDA_VISIBLE_DEVICES"]

print({name: count for name, count in ray.cluster_resources().items() if "GPU" in name or "accelerator" in name})
print("cards", ray.get(where.remote()))
"""


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> Iterator[Lab]:
    with open_lab(tmp_path / "lab") as lab:
        yield lab


@pytest.fixture
def desks(lab: Lab, tmp_path: pathlib.Path) -> Iterator[Desks]:
    image = {"/usr/bin/nvidia-smi": (SMI, 0o755)}
    with open_desks(tmp_path, lab, count=1, image=image) as desks:
        cards(desks).write_text(TWO)
        yield desks


def cards(desks: Desks) -> pathlib.Path:
    """What the machine's nvidia-smi tells of."""
    return desks.below(desks.hosts[0]).parent / "gpus"


@pytest.mark.end_to_end
@pytest.mark.timeout(120)
def test_found_scheduled_and_missed(desks: Desks, tmp_path: pathlib.Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "seen.py").write_text(SEEN)
    (work / "task.yaml").write_text(
        "workdir: .\nresources: {infra: ssh/desks, accelerators: L4:2}\nrun: python seen.py\n"
    )

    def types(*words: str, exit_code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tradewind.cli", *words], cwd=work, check=False, timeout=60, text=True,
            env={**os.environ, **desks.environment(), "TRADEWIND_DATA_DIR": desks.data_dir, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == exit_code, f"{words}: {done.stdout}\n{desks.daemon.log()}"
        assert "Traceback" not in done.stdout
        return done.stdout

    desks.start()
    assert "2xL4" in types("check", "ssh")
    said = types("launch", "task.yaml", "-c", "right", "-y")
    assert "'GPU': 2.0" in said
    assert "'accelerator_type:L4': 2.0" in said
    assert "cards 0,1" in said
    assert "node 0 has 2 x NVIDIA L4" in types("events", "right")
    types("down", "right", "-y")
    cards(desks).write_text("NVIDIA L4, 23034\n")  # one was taken out since
    said = types("launch", "task.yaml", "-c", "fewer", "-y", exit_code=1)
    assert "should have 2 x L4 and has 1 x NVIDIA L4" in said
    types("down", "fewer", "-y")
    assert desks.held() == []
