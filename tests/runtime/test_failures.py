from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import alive, environment, eventually
from tradewind.runtime import exceptions


@pytest.mark.usefixtures("cluster")
class TestWorkers:
    def test_a_death_names_signal_and_last_output(self) -> None:
        @ray.remote(max_retries=0)
        def crash():
            print("one last word", flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)

        with pytest.raises(exceptions.WorkerCrashedError, match=r"SIGSEGV[\s\S]*one last word"):
            ray.get(crash.remote(), timeout=20)

    def test_an_exit_names_its_code(self) -> None:
        @ray.remote(max_retries=0)
        def leave():
            os._exit(42)

        with pytest.raises(exceptions.WorkerCrashedError, match="exit code 42"):
            ray.get(leave.remote(), timeout=20)

    def test_sys_exit_is_an_error_of_the_task_alone(self) -> None:
        @ray.remote
        def leave():
            sys.exit(3)

        with pytest.raises(exceptions.WorkerCrashedError, match=r"sys\.exit\(3\)"):
            ray.get(leave.remote(), timeout=20)

    def test_a_crash_is_retried_as_often_as_allowed(self, tmp_path) -> None:
        path = tmp_path / "tries"

        @ray.remote(max_retries=2)
        def crash():
            with open(path, "a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(exceptions.WorkerCrashedError, match="SIGKILL"):
            ray.get(crash.remote(), timeout=30)
        assert path.read_text() == "xxx"

    def test_calls_behind_a_crash_cost_no_retry(self) -> None:
        @ray.remote(max_retries=0)
        def work(number):
            if number == 5:
                os._exit(1)
            return number

        ray.get([work.remote(0) for _ in range(50)], timeout=20)  # short enough to be sent ahead from now on
        refs = [work.remote(number) for number in range(40)]
        good = 0
        for number, ref in enumerate(refs):
            try:
                assert ray.get(ref, timeout=20) == number
                good += 1
            except exceptions.WorkerCrashedError:
                pass
        assert good == 39

    def test_endless_recursion_is_a_plain_error(self) -> None:
        @ray.remote
        def deep(number):
            def down(value):
                return down(value + 1)

            return down(number)

        with pytest.raises(RecursionError):
            ray.get(deep.remote(0), timeout=20)

    def test_closed_output_harms_nobody(self) -> None:
        @ray.remote
        def close():
            os.close(1)
            return "fine"

        assert ray.get(close.remote(), timeout=20) == "fine"

    def test_a_fork_inside_a_task(self) -> None:
        @ray.remote
        def fork():
            pid = os.fork()
            if pid == 0:
                os._exit(7)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        assert ray.get(fork.remote(), timeout=20) == 7

    def test_a_child_that_a_task_forks_cannot_disturb_it(self) -> None:
        @ray.remote
        def fork():
            inner = ray.remote(abs)
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    ray.get(inner.remote(-1), timeout=20)
                except exceptions.RaySystemError as error:
                    os.write(write, str(error).encode())
                os._exit(0)
            os.waitpid(pid, 0)
            os.close(write)
            return os.read(read, 1000).decode(), ray.get(inner.remote(-2), timeout=20)

        said, value = ray.get(fork.remote(), timeout=30)
        assert "forked by a task and cannot use the runtime" in said
        assert value == 2

    def test_a_stopped_worker_is_not_a_dead_one(self) -> None:
        @ray.remote
        class Sleeper:
            def pid(self):
                return os.getpid()

        sleeper = Sleeper.remote()
        pid = ray.get(sleeper.pid.remote(), timeout=20)
        os.kill(pid, signal.SIGSTOP)
        ref = sleeper.pid.remote()
        with pytest.raises(TimeoutError):
            ray.get(ref, timeout=0.5)
        os.kill(pid, signal.SIGCONT)
        assert ray.get(ref, timeout=20) == pid


DRIVER = """
import os, subprocess, time
import tradewind.runtime as ray
ray.init(num_cpus=2)

@ray.remote
class Actor:
    def pids(self):
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        return os.getpid(), os.getppid(), child.pid

@ray.remote
def spin():
    while True:
        pass

actor = Actor.remote()
ref = spin.remote()
print(*ray.get(actor.pids.remote()), flush=True)
time.sleep(1000)
"""


MUTE = """
import sys
import tradewind.runtime as ray
ray.init(num_cpus=1)

@ray.remote
def speak():
    print("into nothing")
    print("and nothing more", file=sys.stderr)
    return 7

with open(sys.argv[1], "w") as file:
    print(ray.get(speak.remote(), timeout=60), ray.get(speak.remote(), timeout=60), file=file)
ray.shutdown()
"""


@pytest.mark.parametrize("closed", [[1], [0, 1, 2]])
def test_a_driver_whose_output_is_closed_works_in_silence(closed: list[int], tmp_path) -> None:
    path = tmp_path / "said"
    descriptors = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'exec "$0" "$@" {descriptors}', sys.executable, "-c", MUTE, str(path)]
    assert subprocess.run(command, timeout=120, env=environment(), check=False).returncode == 0
    assert path.read_text() == "7 7\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_a_killed_driver(number) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    )
    assert driver.stdout is not None
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    driver.stdout.close()
    assert len(pids) == 3
    time.sleep(0.3)
    driver.send_signal(number)
    driver.wait(20)
    assert eventually(lambda: not any(alive(pid) for pid in pids), 2.0), "gone within two seconds"


def test_a_lost_node_daemon_is_an_error_and_not_a_hang() -> None:
    ray.init(num_cpus=1)

    @ray.remote
    def sleep():
        time.sleep(60)

    @ray.remote
    def parent():
        return os.getppid()

    template = ray.get(parent.remote(), timeout=20)
    with open(f"/proc/{template}/stat") as file:
        daemon = int(file.read().rpartition(")")[2].split()[1])
    ref = sleep.remote()
    time.sleep(0.2)
    os.kill(daemon, signal.SIGKILL)
    with pytest.raises(exceptions.RaySystemError, match="node daemon"):
        ray.get(ref, timeout=20)
    assert eventually(lambda: not alive(template))
    ray.shutdown()
    ray.init(num_cpus=1)
    assert ray.get(parent.remote(), timeout=20) != template
    ray.shutdown()


def test_a_lost_template_fails_what_runs_and_is_replaced() -> None:
    ray.init(num_cpus=1)

    @ray.remote(max_retries=0)
    def kill_template():
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    @ray.remote
    def fine():
        return 1

    with pytest.raises(exceptions.WorkerCrashedError):
        ray.get(kill_template.remote(), timeout=20)
    assert ray.get(fine.remote(), timeout=20) == 1
    ray.shutdown()


def test_an_interpreter_that_cannot_run_workers_is_named(make_nodes, tmp_path) -> None:
    bad = tmp_path / "python"
    bad.write_text("#!/bin/sh\nexit 9\n")
    bad.chmod(0o755)
    make_nodes(0, python=str(bad))
    ray.init()

    @ray.remote
    def fine():
        return 1

    with pytest.raises(exceptions.RayError, match="ended with exit code 9"):
        ray.get(fine.remote(), timeout=20)

    @ray.remote
    class Actor:
        def method(self):
            return 1

    with pytest.raises(exceptions.RayActorError, match="ended with exit code 9"):
        ray.get(Actor.remote().method.remote(), timeout=20)


def test_a_process_that_speaks_nonsense_loses_its_link_and_nobody_else_does(two_nodes) -> None:
    import socket

    ray.init()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(two_nodes.nodes[0].address.removeprefix("unix:"))
        stranger.sendall(b"\x05\0\0\0nonsense and more of it")
        stranger.settimeout(10)
        assert stranger.recv(10) == b""
    assert ray.get(ray.remote(abs).remote(-1), timeout=20) == 1


def test_an_argument_that_was_lost_with_its_node_is_made_again(make_nodes, tmp_path) -> None:
    from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy

    nodes = make_nodes(2)
    ray.init()
    ids = {node["Labels"]["number"]: node["NodeID"] for node in ray.nodes()}

    @ray.remote
    def make(path):
        with open(path, "a") as file:
            file.write("x")
        return b"b" * 500_000

    @ray.remote
    def size(value):
        return len(value)

    far = NodeAffinitySchedulingStrategy(ids["1"], soft=True)
    refs = [make.options(scheduling_strategy=far).remote(str(tmp_path / "made")) for _ in range(3)]
    ray.wait(refs, num_returns=3, timeout=30, fetch_local=False)
    os.kill(nodes.nodes[1].pid, signal.SIGKILL)
    assert ray.get([size.remote(ref) for ref in refs], timeout=60) == [500_000] * 3
    assert (tmp_path / "made").read_text() == "x" * 6
