from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, eventually
from tests.runtime.test_direct_links import on, port_of
from tradewind.runtime import exceptions, session
from tradewind.runtime.link import TlsLink
from tradewind.runtime.util.state import rows


@ray.remote(num_cpus=0)
class Counter:
    """What has happened to it, in order."""

    def __init__(self):
        self.seen = []

    def add(self, value):
        self.seen.append(value)
        return value, len(self.seen)

    def all(self):
        return self.seen, os.getpid()

    def stream(self, count):
        yield from range(count)

    def slowly(self, value, seconds):
        time.sleep(seconds)
        return self.add(value)


@ray.remote(max_retries=0)
def double(value):
    return 2 * value, os.environ["NODE_NUMBER"]


def links() -> list[TlsLink]:
    """The driver's links to processes of other nodes."""
    return [link for link in list(session.process().links.values()) if isinstance(link, TlsLink)]


def cut(link: TlsLink) -> bool:
    """Both ends see a reset, and what was on its way is lost. False when the link was closed already."""
    try:
        with socket.socket(fileno=os.dup(link.fd)) as same:
            here, there = same.getsockname(), same.getpeername()
    except OSError:
        return False
    found = subprocess.run(
        ["ss", "-HK", "src", here[0], "sport", "=", str(here[1]), "dst", there[0], "dport", "=", str(there[1])],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return bool(found.stdout)


def kernel_ends_connections() -> bool:
    """True where `ss -K` does what it says."""
    if os.getuid() != 0 or shutil.which("ss") is None:
        return False
    with (
        socket.create_server(("127.9.9.1", 0)) as listener,
        socket.create_connection(listener.getsockname()[:2]) as sock,
    ):
        subprocess.run(["ss", "-K", "dport", "=", str(listener.getsockname()[1])], check=True, capture_output=True)
        sock.settimeout(1)
        try:
            sock.recv(1)
        except ConnectionError:
            return True
        except TimeoutError:
            return False
    return False


pytestmark = pytest.mark.skipif(not kernel_ends_connections(), reason="needs rights to end connections of the kernel")


def cut_own() -> int:
    """Every link of the driver to another node's process is cut; how many."""
    return sum(cut(link) for link in links())


def cut_ports(ports: list[tuple[str, int]]) -> int:
    """Everything between the nodes is cut, also between their daemons; how many connections."""
    words = [["ss", "-HK", "state", "established", "dst", host, "dport", "=", str(port)] for host, port in ports]
    found = [subprocess.run(command, check=True, capture_output=True, text=True) for command in words]
    return sum(one.stdout.count("\n") for one in found)


@contextmanager
def cutting(cut_all: Callable[[], int] = cut_own, every_s: float = 0.01) -> Iterator[Callable[[], int]]:
    """Links are cut again and again; the function says how many so far."""
    done = threading.Event()
    count = 0

    def run() -> None:
        nonlocal count
        while not done.wait(every_s):
            count += cut_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: count
    finally:
        done.set()
        thread.join()


def test_calls_go_on_over_links_that_break_and_none_runs_twice(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    counter = Counter.options(scheduling_strategy=on("1")).remote()
    _, pid = ray.get(counter.all.remote(), timeout=30)
    number = 0
    with cutting() as cuts:
        while cuts() < 20:
            assert ray.get(counter.add.remote(number), timeout=30) == (number, number + 1)
            number += 1
            refs = [counter.add.remote(number + ahead) for ahead in range(100)]
            assert ray.get(refs, timeout=30) == [(number + ahead, number + ahead + 1) for ahead in range(100)]
            number += 100
    assert ray.get(counter.all.remote(), timeout=30) == (list(range(number)), pid), (
        "each call once, in order, in one life"
    )
    # What was made while others broke does not pile up.
    assert eventually(lambda: len(links()) <= 2)


def test_tasks_streams_and_refs_survive_broken_links(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    counter = Counter.options(scheduling_strategy=on("1")).remote()
    ray.get(counter.all.remote(), timeout=30)
    there = double.options(scheduling_strategy=on("1"))
    with cutting() as cuts:
        rounds = 0
        while cuts() < 20:
            rounds += 1
            assert ray.get([there.remote(ray.put(value)) for value in range(50)], timeout=30) == [
                (2 * value, "1") for value in range(50)
            ]
            items = counter.stream.options(num_returns="streaming").remote(200)
            assert [ray.get(item, timeout=30) for item in items] == list(range(200))
            inner = ray.put(rounds)
            assert ray.get(counter.add.remote([inner]), timeout=30)[1] == rounds
            del inner
        kept, _ = ray.get(counter.all.remote(), timeout=30)
        assert [ray.get(ref, timeout=30) for (ref,) in kept] == list(range(1, rounds + 1)), (
            "borrowed refs are entered once"
        )


def test_who_waits_gets_the_answer_that_was_said_while_there_was_no_link(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    counter = Counter.options(scheduling_strategy=on("1")).remote()
    ray.get(counter.all.remote(), timeout=30)
    ref = counter.slowly.remote("late", 3.0)
    assert [cut(link) for link in links()] == [True]
    assert ray.get(ref, timeout=30) == ("late", 1), "longer than a process without a link was once given"


def test_who_gives_a_process_up_begins_anew_with_it(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    counter = Counter.options(scheduling_strategy=on("1")).remote()
    _, pid = ray.get(counter.all.remote(), timeout=30)
    process = session.process()
    for number in range(5):
        ref = counter.slowly.remote(number, 0.3)
        (link,) = [link for link in links() if link.peer.link is link]
        with process.lock:
            process.losses.forsake(link, "no way leads there")
        with pytest.raises(exceptions.ActorUnavailableError, match=r"may have run or not.*no way leads there"):
            ray.get(ref, timeout=30)
        assert ray.get(counter.all.remote(), timeout=30)[1] == pid, "it lives, and is spoken to again"
    seen, _ = ray.get(counter.all.remote(), timeout=30)
    assert seen == sorted(set(seen)), "nothing was run twice"


def test_objects_and_leases_survive_when_everything_between_the_nodes_is_cut(two_nodes: Nodes) -> None:
    ports = [port_of(two_nodes, number) for number in range(2)]
    ray.init()

    @ray.remote(max_retries=0)
    def make(number):
        return bytes([number]) * 6_000_000

    @ray.remote(max_retries=0)
    def measure(data):
        return len(data), data[:1]

    there, here = on("1"), on("0")
    with cutting(lambda: cut_ports(ports), 0.05) as cuts:
        number = 0
        while cuts() < 40:
            number += 1
            ref = make.options(scheduling_strategy=there).remote(number % 256)
            assert ray.get(measure.options(scheduling_strategy=here).remote(ref), timeout=60) == (
                6_000_000,
                bytes([number % 256]),
            )
            del ref
    # What was said while there was no link was heard: nothing that was let go is kept, no worker is taken for busy.
    assert eventually(lambda: [row.more["objects"] for row in rows("memory")] == ["0", "0"], 30), rows("memory")
    assert eventually(lambda: ray.available_resources().get("CPU") == 2, 30)
