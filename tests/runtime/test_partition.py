from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, alive, build, eventually, ip
from tradewind.runtime import session
from tradewind.runtime.link import TlsLink
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("ip") is None, reason="needs rights over network namespaces"
)
PARTITION_S = 20.0

FAR_NODE = """
import sys
from tradewind.runtime import launcher
directory, head, host, credentials = sys.argv[1:]
node = launcher.start_node(
    directory, head, host, credentials=launcher.ClusterCredentials.from_bytes(open(credentials, "rb").read()),
    resources={"CPU": 1, "memory": 1 << 30}, python=sys.executable, working_dir=directory, env={"NODE_NUMBER": "far"},
    object_store_bytes=64 << 20, labels={"number": "far"}, timeout_s=60,
)
print("ready", flush=True)
sys.stdin.read()
node.stop()
"""


needs_rules = pytest.mark.skipif(shutil.which("iptables") is None, reason="needs iptables")


@pytest.fixture
def cluster_over_the_link(
    link: tuple[str, str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Nodes]:
    """The head and a node here, another node at the other end."""
    space, _, near, far = link
    nodes = build(str(tmp_path), 1, host=near)
    credentials = tmp_path / "credentials"
    credentials.write_bytes(nodes.credentials.to_bytes())
    (tmp_path / "far").mkdir()
    started = subprocess.Popen(
        ["ip", "netns", "exec", space, sys.executable, "-c", FAR_NODE, str(tmp_path / "far"), nodes.head.address, far, str(credentials)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        assert started.stdout.readline().strip() == "ready"
        monkeypatch.setenv("TRADEWIND_ADDRESS", nodes.nodes[0].address)
        yield nodes
    finally:
        ray.shutdown()
        started.communicate("")
        nodes.stop()


def connections_to(host: str, besides: str) -> list[str]:
    """What the kernel still holds for connections to the host, but for those of the process at this address."""
    found = subprocess.run(["ss", "-Htan", "dst", host], check=True, capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if line.split()[3] != besides]


def test_work_goes_on_elsewhere_during_a_partition_and_the_other_side_joins_again_with_empty_hands(
    link: tuple[str, str, str, str], cluster_over_the_link: Nodes, tmp_path: Path
) -> None:
    ray.init()
    far_id = next(node["NodeID"] for node in ray.nodes() if node["Labels"]["number"] == "far")
    there = NodeAffinitySchedulingStrategy(far_id, soft=True)

    @ray.remote(max_retries=2)
    def work(seconds):
        with open(tmp_path / "begun", "a") as file:
            file.write(f"{os.environ['NODE_NUMBER']} {os.getpid()}\n")
        time.sleep(seconds if os.environ["NODE_NUMBER"] == "far" else 0)
        return os.environ["NODE_NUMBER"]

    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count, os.environ["NODE_NUMBER"], os.getpid()

        def take(self, data):
            return len(data)

    counter = Counter.options(scheduling_strategy=there).remote()
    _, number, old_pid = ray.get(counter.add.remote(), timeout=60)
    assert number == "far"
    ref = work.options(scheduling_strategy=there).remote(600)
    assert eventually((tmp_path / "begun").exists, 30)
    began = time.monotonic()
    ip("link", "set", link[1], "down")
    unsent = [counter.take.remote(bytes(90_000)) for _ in range(20)]
    assert ray.get(ref, timeout=60) == "0", "done elsewhere"
    assert ray.get(unsent, timeout=60) == [90_000] * 20, "done elsewhere too"
    assert connections_to(link[3], besides=cluster_over_the_link.head.address) == [], (
        "nothing is kept for the lost node"
    )
    count, number, new_pid = ray.get(counter.add.remote(), timeout=60)
    assert (count, number) == (1, "0"), "a new life on this side"
    assert time.monotonic() - began < PARTITION_S, "none of that waited for the partition to heal"
    lines = [line.split() for line in (tmp_path / "begun").read_text().splitlines()]
    assert [line[0] for line in lines] == ["far", "0"]
    assert alive(old_pid), "the other side does not know yet"

    while time.monotonic() - began < PARTITION_S:
        assert ray.get(work.remote(0), timeout=60) == "0"
        time.sleep(0.5)
    before = ray.get(counter.add.remote(), timeout=60)
    ip("link", "set", link[1], "up")
    assert eventually(lambda: len(ray.nodes()) == 2, 60), "it joins again"
    assert eventually(lambda: not alive(old_pid) and not alive(int(lines[0][1])), 30), "what it did is ended"
    assert ray.get(counter.add.remote(), timeout=60) == (before[0] + 1, "0", new_pid), "one actor, one life"
    assert (
        ray.get(work.options(scheduling_strategy=NodeAffinitySchedulingStrategy(far_id)).remote(0), timeout=60) == "far"
    )
    assert ray.get(ref, timeout=10) == "0", "no result twice"


@needs_rules
def test_a_way_that_lets_nothing_through_is_left_though_nobody_says_that_it_is_closed(
    cluster_over_the_link: Nodes,
) -> None:
    del cluster_over_the_link
    ray.init()
    far_id = next(node["NodeID"] for node in ray.nodes() if node["Labels"]["number"] == "far")

    @ray.remote(num_cpus=0)
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count, os.getpid()

    counter = Counter.options(scheduling_strategy=NodeAffinitySchedulingStrategy(far_id)).remote()
    first, pid = ray.get(counter.add.remote(), timeout=60)
    assert first == 1
    (link,) = [link for link in session.process().links.values() if isinstance(link, TlsLink)]
    port, there = link.sock.getsockname()[1], link.sock.getpeername()[1]
    rule = ["OUTPUT", "-p", "tcp", "--sport", str(port), "--dport", str(there), "-j", "DROP"]
    back = ["INPUT", "-p", "tcp", "--sport", str(there), "--dport", str(port), "-j", "DROP"]
    for words in (rule, back):
        subprocess.run(["iptables", "-A", *words], check=True)
    try:
        assert ray.get([counter.add.remote() for _ in range(3)], timeout=60) == [(2, pid), (3, pid), (4, pid)]
        assert len(ray.nodes()) == 2, "nobody was lost"
    finally:
        for words in (rule, back):
            subprocess.run(["iptables", "-D", *words], check=True)
