from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, alive, eventually
from tradewind.runtime import exceptions, grpc_settings
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy

BIG = 500_000
Make = Callable[[int], Nodes]


@ray.remote
def where(seconds=0.0):
    time.sleep(seconds)
    return os.environ["NODE_NUMBER"]


@ray.remote
def meet(path):
    """Ends when this task runs on two nodes at once."""
    with open(os.path.join(path, os.environ["NODE_NUMBER"]), "w"):
        pass
    while len(os.listdir(path)) < 2:
        time.sleep(0.01)
    return os.environ["NODE_NUMBER"]


def node_ids() -> dict[str, str]:
    """Node ids by the number that the tests gave them."""
    return {node["Labels"]["number"]: node["NodeID"] for node in ray.nodes()}


def on(number: str, *, soft: bool = False) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node_ids()[number], soft)


@pytest.mark.usefixtures("two_nodes")
def test_tasks_run_on_all_nodes_and_where_they_are_told(tmp_path: Path) -> None:
    ray.init()
    assert ray.cluster_resources()["CPU"] == 2
    assert set(ray.get([meet.remote(str(tmp_path)) for _ in range(2)], timeout=60)) == {"0", "1"}
    assert set(ray.get([where.options(scheduling_strategy="SPREAD").remote(0.1) for _ in range(4)], timeout=30)) == {
        "0",
        "1",
    }
    for number in ("0", "1"):
        assert (
            ray.get([where.options(scheduling_strategy=on(number)).remote() for _ in range(3)], timeout=30)
            == [number] * 3
        )
    with pytest.raises(exceptions.TaskUnschedulableError, match="8 CPU"):
        ray.get(where.options(num_cpus=8).remote(), timeout=20)


@pytest.mark.usefixtures("two_nodes")
def test_objects_calls_and_refs_cross_nodes() -> None:
    ray.init()

    @ray.remote
    def ones():
        return np.ones(BIG)

    @ray.remote
    def total(array):
        return float(array.sum()), os.environ["NODE_NUMBER"]

    far = ones.options(scheduling_strategy=on("1")).remote()
    assert ray.get(far, timeout=30).sum() == BIG
    assert ray.get(total.options(scheduling_strategy=on("1")).remote(ray.put(np.ones(BIG))), timeout=30) == (BIG, "1")
    assert ray.get(total.options(scheduling_strategy=on("0")).remote(far), timeout=30) == (BIG, "0")

    @ray.remote
    def make():
        return [ray.put(np.full(BIG, 2.0)), ray.put("small")]

    big, small = ray.get(make.options(scheduling_strategy=on("1")).remote(), timeout=30)
    assert ray.get(big, timeout=30).sum() == 2 * BIG
    assert ray.get(small, timeout=30) == "small"
    assert ray.get(total.options(scheduling_strategy=on("0")).remote(big), timeout=30)[0] == 2 * BIG


def test_actors_live_on_other_nodes_and_are_called_from_everywhere(
    two_nodes: Nodes, capfd: pytest.CaptureFixture[str]
) -> None:
    ray.init()

    @ray.remote(num_cpus=0)
    class Server:
        def __init__(self):
            self.value = 0

        def add(self, amount):
            self.value += amount
            return self.value

        def speak(self):
            print("from afar")
            return os.environ["NODE_NUMBER"]

    @ray.remote
    def work(server, times):
        return ray.get([server.add.remote(1) for _ in range(times)])[-1]

    far = Server.options(scheduling_strategy=on("1"), name="server").remote()
    assert ray.get(far.speak.remote(), timeout=30) == "1"
    assert (
        max(ray.get([work.options(scheduling_strategy=on(number)).remote(far, 50) for number in "0101"], timeout=60))
        == 200
    )
    assert ray.get(ray.get_actor("server").add.remote(0), timeout=20) == 200
    seen = ""

    def heard() -> bool:
        nonlocal seen
        seen += capfd.readouterr().out
        return ") from afar" in seen

    assert eventually(heard)
    assert "(Server pid=" in seen


@pytest.mark.usefixtures("two_nodes")
def test_modules_that_only_the_driver_has_travel_with_their_code(tmp_path, monkeypatch) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "only_here.py").write_text("BASE = 40\ndef answer(x):\n    return BASE + x\n")
    monkeypatch.syspath_prepend(str(hidden))
    import only_here

    ray.init()

    @ray.remote
    def use():
        return only_here.answer(2)

    assert ray.get(use.remote(), timeout=30) == 42
    assert ray.get(ray.remote(only_here.answer).remote(3), timeout=30) == 43


def test_a_stopped_node_daemon_is_not_declared_dead_at_once(two_nodes: Nodes) -> None:
    nodes = two_nodes
    ray.init()
    os.kill(nodes.nodes[1].pid, signal.SIGSTOP)
    time.sleep(1.0)
    assert len(ray.nodes()) == 2
    os.kill(nodes.nodes[1].pid, signal.SIGCONT)
    assert ray.get(where.options(scheduling_strategy=on("1")).remote(), timeout=30) == "1"


@pytest.mark.usefixtures("two_nodes")
def test_a_node_under_full_load_is_late_and_not_dead() -> None:
    ray.init()
    before = node_ids()

    @ray.remote(num_cpus=0, max_retries=0)
    def burn(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ray.put(np.ones(50_000))  # keeps the node daemon as busy as the processors
        return os.environ["NODE_NUMBER"]

    longer_than_silence_may_last = grpc_settings.LOST_AFTER_S + 1
    refs = [burn.options(scheduling_strategy=on("1")).remote(longer_than_silence_may_last) for _ in range(8)]
    assert ray.get(refs, timeout=120) == ["1"] * 8, "a single loss would have been an error"
    assert node_ids() == before


@pytest.mark.usefixtures("two_nodes")
def test_a_leaving_driver_takes_its_workers_along_and_leaves_detached_actors() -> None:
    ray.init(namespace="shop")

    @ray.remote(num_cpus=0)
    class Server:
        def pid(self):
            return os.getpid()

    kept = Server.options(scheduling_strategy=on("1"), name="kept", lifetime="detached").remote()
    other = Server.options(scheduling_strategy=on("1")).remote()
    kept_pid, other_pid = ray.get([kept.pid.remote(), other.pid.remote()], timeout=30)
    ray.shutdown()
    assert eventually(lambda: not alive(other_pid), 2.0)
    assert alive(kept_pid)
    ray.init(namespace="shop")
    assert ray.get(ray.get_actor("kept").pid.remote(), timeout=20) == kept_pid
    ray.kill(ray.get_actor("kept"))
    assert eventually(lambda: not alive(kept_pid), 5.0)


@pytest.mark.usefixtures("two_nodes")
def test_two_drivers_do_not_share_workers() -> None:
    import subprocess
    import sys

    ray.init()
    mine = ray.get(ray.remote(os.getpid).remote(), timeout=20)
    script = (
        "import os, tradewind.runtime as ray\nray.init()\nprint(ray.get(ray.remote(os.getpid).remote(), timeout=20))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) != mine


def test_a_lost_node_is_noticed_and_its_work_done_elsewhere(make_nodes: Make, tmp_path) -> None:
    nodes = make_nodes(3)
    ray.init()
    ids = node_ids()

    @ray.remote(max_retries=2)
    def make(path):
        with open(path, "a") as file:
            file.write("x")
        return np.ones(BIG)

    @ray.remote(num_cpus=0, max_restarts=1)
    class Server:
        def where(self):
            return os.environ["NODE_NUMBER"], os.getpid()

    made = make.options(scheduling_strategy=on("2", soft=True)).remote(str(tmp_path / "made"))
    ray.wait([made], timeout=30)

    @ray.remote
    def put():
        return [ray.put(np.ones(BIG))]

    lost = ray.get(put.options(scheduling_strategy=on("2")).remote(), timeout=30)[0]
    server = Server.options(scheduling_strategy=on("2", soft=True)).remote()
    doomed = Server.options(scheduling_strategy=on("2"), max_restarts=0).remote()
    assert ray.get(server.where.remote(), timeout=30)[0] == "2"
    _, pid = ray.get(doomed.where.remote(), timeout=30)
    running = [where.remote(1.0) for _ in range(6)]
    time.sleep(0.5)

    os.kill(nodes.nodes[2].pid, signal.SIGKILL)
    assert eventually(lambda: len(ray.nodes()) == 2, 60.0)
    assert ids["2"] not in node_ids().values()
    with pytest.raises(exceptions.ActorDiedError, match="lost"):
        ray.get(doomed.where.remote(), timeout=20)
    assert set(ray.get(running, timeout=60)) <= {"0", "1", "2"}
    assert ray.get(server.where.remote(), timeout=30)[0] != "2"
    assert ray.get(made, timeout=30).sum() == BIG, "made again from its call"
    assert (tmp_path / "made").read_text() == "xx"
    with pytest.raises((exceptions.OwnerDiedError, exceptions.ObjectLostError)):
        ray.get(lost, timeout=20)
    assert eventually(lambda: not alive(pid), 2.0), "the lost node's workers went with it"


def test_a_silent_node_is_lost_and_joins_again_when_it_is_back(make_nodes: Make) -> None:
    """SIGSTOP for good looks, from outside, like a machine that lost power: no FIN, no answer. How soon: benchmarks/runtime_drivers.py."""
    nodes = make_nodes(2)
    ray.init()
    os.kill(nodes.nodes[1].pid, signal.SIGSTOP)
    assert eventually(lambda: len(ray.nodes()) == 1, 60.0)
    os.kill(nodes.nodes[1].pid, signal.SIGCONT)
    assert eventually(lambda: len(ray.nodes()) == 2, 20.0), "it joins again when it is back"
    assert ray.get(where.options(scheduling_strategy=on("1")).remote(), timeout=30) == "1"


def test_nodes_join_while_work_waits(make_nodes: Make, tmp_path: Path) -> None:
    nodes = make_nodes(1)
    ray.init()
    (tmp_path / "met").mkdir()
    refs = [meet.remote(str(tmp_path / "met")) for _ in range(2)]
    nodes.add()
    assert set(ray.get(refs, timeout=60)) == {"0", "1"}
