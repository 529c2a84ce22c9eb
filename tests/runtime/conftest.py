"""Clusters for the runtime's tests: one-node ones in this process's hands, and several nodes on loopback addresses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import tradewind.runtime as ray
from tradewind.runtime import launcher


@pytest.fixture
def cluster() -> Iterator[None]:
    """A one-node cluster with two CPUs, gone afterwards."""
    ray.init(num_cpus=2, object_store_memory=256 << 20)
    yield
    ray.shutdown()


@dataclass
class Nodes:
    """A head and node daemons of this machine."""

    head: launcher.RuntimeProcess
    nodes: list[launcher.RuntimeProcess]
    credentials: launcher.ClusterCredentials
    directory: str
    host: str = ""

    def add(self, *, python: str = sys.executable, **resources: float) -> launcher.RuntimeProcess:
        number = len(self.nodes)
        node = launcher.start_node(
            f"{self.directory}/node{number}",
            self.head.address,
            self.host or f"127.9.1.{number + 2}",
            credentials=self.credentials,
            resources={"CPU": 1, "memory": 1 << 30, **resources},
            python=python,
            working_dir=self.directory,
            env={"NODE_NUMBER": str(number)},
            object_store_bytes=128 << 20,
            labels={"number": str(number)},
            timeout_s=30,
        )
        self.nodes.append(node)
        return node

    def stop(self) -> None:
        """Everything is gone."""
        for process in [*self.nodes, self.head]:
            process.stop()


def build(directory: str, count: int, cpus: float = 1, host: str = "") -> Nodes:
    """A cluster of so many nodes, on loopback addresses of their own unless a host is given."""
    credentials = launcher.ClusterCredentials.new("test-cluster")
    nodes = Nodes(
        launcher.start_head(f"{directory}/head", host or "127.9.1.1", credentials=credentials, timeout_s=30),
        [],
        credentials,
        directory,
        host,
    )
    try:
        for _ in range(count):
            nodes.add(CPU=cpus)
    except BaseException:
        nodes.stop()
        raise
    return nodes


@pytest.fixture
def make_nodes(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Nodes]]:
    """make_nodes(2) is a cluster of two nodes that init() joins."""
    made: list[Nodes] = []

    def make(count: int, *, python: str = "", cpus: float = 1) -> Nodes:
        nodes = build(str(tmp_path), count, cpus)
        made.append(nodes)
        if python:
            nodes.add(python=python)
        monkeypatch.setenv("TRADEWIND_ADDRESS", nodes.nodes[0].address)
        return nodes

    yield make
    ray.shutdown()
    for nodes in made:
        nodes.stop()


@pytest.fixture(scope="module")
def standing_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes for all tests of a file that leave them as they found them."""
    nodes = build(str(tmp_path_factory.mktemp("nodes")), 2)
    yield nodes
    nodes.stop()


@pytest.fixture
def two_nodes(standing_nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """The standing nodes, which init() joins; the driver leaves afterwards."""
    monkeypatch.setenv("TRADEWIND_ADDRESS", standing_nodes.nodes[0].address)
    yield standing_nodes
    ray.shutdown()


def ip(*words: str) -> None:
    """Runs the command of that name."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def link() -> Iterator[tuple[str, str, str, str]]:
    """(namespace, device here, address here, address there) of a network namespace behind one cable."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs rights over network namespaces")
    number = os.getpid() % 200
    space, here, there = f"twp{os.getpid()}", f"twp{os.getpid()}a", f"twp{os.getpid()}b"
    near, far = f"10.213.{number}.1", f"10.213.{number}.2"
    ip("netns", "add", space)
    try:
        ip("link", "add", here[-15:], "type", "veth", "peer", "name", there[-15:], "netns", space)
        ip("addr", "add", f"{near}/30", "dev", here[-15:])
        ip("link", "set", here[-15:], "up")
        ip("-n", space, "addr", "add", f"{far}/30", "dev", there[-15:])
        ip("-n", space, "link", "set", there[-15:], "up")
        yield space, here[-15:], near, far
    finally:
        ip("netns", "del", space)


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    """True as soon as the condition holds; False when it does not in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def alive(pid: int) -> bool:
    """True while the process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment() -> dict[str, str]:
    """The environment for scripts that are drivers of their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}
