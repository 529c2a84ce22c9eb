from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, alive, environment, eventually
from tradewind.runtime import launcher
from tradewind.runtime.exceptions import RaySystemError

Make = Callable[[int], Nodes]


def test_a_stopped_cluster_leaves_nothing(make_nodes: Make) -> None:
    nodes = make_nodes(2)
    ray.init()

    @ray.remote
    def stray():
        return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid

    pids = ray.get([stray.remote() for _ in range(4)], timeout=30)
    ray.shutdown()
    paths = [node.address.removeprefix("unix:") for node in nodes.nodes]
    for process in [*nodes.nodes, nodes.head]:
        assert process.poll() is None
        process.stop()
        assert process.poll() is not None
        process.stop()
    assert not any(alive(pid) for pid in pids)
    assert not any(os.path.exists(os.path.dirname(path)) for path in paths)


def test_killing_a_node_daemon_takes_its_workers_and_stop_takes_the_rest(make_nodes: Make) -> None:
    nodes = make_nodes(2)
    ray.init()

    @ray.remote(num_cpus=0)
    class Stray:
        def pids(self):
            return os.getpid(), subprocess.Popen(["sleep", "1000"], start_new_session=True).pid

    strays = [Stray.options(scheduling_strategy="SPREAD").remote() for _ in range(2)]
    pids = [pid for pair in ray.get([stray.pids.remote() for stray in strays], timeout=30) for pid in pair]
    for node in nodes.nodes:
        os.kill(node.pid, signal.SIGKILL)
    ray.shutdown()
    for node in nodes.nodes:
        node.stop()
    assert eventually(lambda: not any(alive(pid) for pid in pids), 3.0)


def test_daemons_die_with_the_process_that_started_them(tmp_path) -> None:
    script = f"""
import sys, time
from tradewind.runtime import launcher
credentials = launcher.ClusterCredentials.new("c")
head = launcher.start_head({str(tmp_path / "head")!r}, "127.9.2.1", credentials=credentials, timeout_s=30)
node = launcher.start_node({str(tmp_path / "node")!r}, head.address, "127.9.2.2", credentials=credentials, resources={{"CPU": 1}},
                           python=sys.executable, working_dir={str(tmp_path)!r}, env={{}}, timeout_s=30)
print(head.pid, node.pid, flush=True)
time.sleep(1000)
"""
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment())
    assert starter.stdout is not None
    pids = [int(pid) for pid in starter.stdout.readline().split()]
    starter.stdout.close()
    assert len(pids) == 2
    starter.kill()
    starter.wait()
    assert eventually(lambda: not any(alive(pid) for pid in pids), 3.0)


def test_what_keeps_a_daemon_from_starting_is_said(tmp_path) -> None:
    credentials = launcher.ClusterCredentials.new("c")
    with pytest.raises(RaySystemError, match="not ready within"):
        launcher.start_node(
            str(tmp_path / "node"),
            "127.9.3.1:1",
            "127.9.3.2",
            credentials=credentials,
            resources={"CPU": 1},
            python=sys.executable,
            working_dir=str(tmp_path),
            env={},
            timeout_s=1.5,
        )
    with pytest.raises(RaySystemError, match="ended with exit code"):
        launcher.start_head(str(tmp_path / "head"), "203.0.113.1", credentials=credentials)


def test_a_restarted_head_is_found_again_and_keeps_what_it_was_told(make_nodes: Make) -> None:
    nodes = make_nodes(2)
    ray.init()
    from tradewind.runtime import api

    api.put_named("greeting", b"hello")

    @ray.remote(num_cpus=0)
    class Server:
        def pid(self):
            return os.getpid()

    server = Server.options(name="server", scheduling_strategy="SPREAD").remote()
    pid = ray.get(server.pid.remote(), timeout=30)
    os.kill(nodes.head.pid, signal.SIGKILL)
    nodes.head.stop(0)
    nodes.head = launcher.start_head(nodes.head.directory, "127.9.1.1", credentials=nodes.credentials, timeout_s=30)
    assert eventually(lambda: len(ray.nodes()) == 2, 20.0)
    assert api.get_named("greeting") == b"hello"
    assert ray.get(ray.get_actor("server").pid.remote(), timeout=30) == pid
    assert ray.get(server.pid.remote(), timeout=30) == pid
    assert ray.get([ray.remote(abs).remote(-number) for number in range(20)], timeout=30) == list(range(20))


def test_socket_directories_must_be_ours(tmp_path, monkeypatch) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    made = launcher.socket_directory("some key")
    assert made == launcher.socket_directory("some key")
    assert made.startswith(str(runtime))
    os.chmod(made, 0o755)
    with pytest.raises(PermissionError, match="0700"):
        launcher.socket_directory("some key")
