"""The `tradewind runtime` commands against a cluster that they start themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, home: Path, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}
    environment |= {"XDG_STATE_HOME": str(home), "XDG_RUNTIME_DIR": ""}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def tradewind(*arguments: str, home: Path, code: int = 0) -> str:
    return run("-m", "tradewind.cli", "runtime", *arguments, home=home, code=code)


DRIVER = """
import sys
import tradewind.runtime as ray
ray.init(address=sys.argv[1])
@ray.remote
def double(x): return 2 * x
there = double.options(label_selector={"zone": "b"}, resources={"fuel": 1})
print(sum(ray.get([there.remote(i) for i in range(4)])), int(ray.cluster_resources()["CPU"]))
"""


def test_a_cluster_is_started_joined_used_seen_and_stopped(tmp_path: Path) -> None:
    try:
        said = json.loads(
            tradewind("start", "--head", "--host", "127.9.7.1", "--num-cpus", "1", "--json", home=tmp_path)
        )
        address = said["address"]
        assert oct(os.stat(said["credentials"]).st_mode)[-3:] == "600"
        more = ("--labels", "zone=b,kind=spot", "--resources", '{"fuel": 4}')
        joined = tradewind(
            "start", "--address", address, "--host", "127.9.7.2", "--num-cpus", "1", *more, home=tmp_path
        )
        assert "runtime stop" in joined
        assert run("-c", DRIVER, address, home=tmp_path).split() == ["12", "2"]
        assert run("-c", DRIVER, "auto", home=tmp_path).split() == ["12", "2"]
        status = json.loads(tradewind("status", "--json", home=tmp_path))
        assert len(status["nodes"]) == 2
        assert len(status["memory"]) == 2
        assert "CPU" in tradewind("status", home=tmp_path)
        assert "CAPACITY" in tradewind("memory", home=tmp_path)
        assert json.loads(tradewind("list", "tasks", "--json", home=tmp_path)) == []
        assert "none" in tradewind("list", "actors", home=tmp_path)
        assert "nothing in the cluster" in tradewind("why", "nonesuch", home=tmp_path, code=1)
        tradewind("stack", home=tmp_path)
        for words in (["list", "nodes"], ["list", "workers"], ["list", "objects"], ["list", "groups"], ["stack"], ["memory"], ["timeline"]):  # fmt: skip
            assert isinstance(json.loads(tradewind(*words, "--json", home=tmp_path)), list), words
    finally:
        stopped = tradewind("stop", home=tmp_path)
    assert "3 processes" in stopped
    assert "no cluster" in tradewind("stop", home=tmp_path)


@pytest.mark.parametrize("arguments", [("start",), ("start", "--head", "--address", "127.0.0.1:1")])
def test_what_to_start_must_be_said(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert "--head" in tradewind(*arguments, home=tmp_path, code=2)


@pytest.mark.parametrize("more", [("--resources", "fuel"), ("--labels", "zone")])
def test_what_a_node_has_must_be_readable(more: tuple[str, str], tmp_path: Path) -> None:
    assert more[0] in tradewind("start", "--head", *more, home=tmp_path, code=2)


def test_no_cluster_is_a_sentence(tmp_path: Path) -> None:
    said = tradewind("status", home=tmp_path, code=4)
    assert "runs on this machine" in said
    assert "defect" not in said
