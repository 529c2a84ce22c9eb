from __future__ import annotations

import mmap
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tradewind.runtime.node.spilling import SpillFiles


class InLoop:
    """Stands for the loop: callbacks run when they are asked for."""

    def __init__(self) -> None:
        self.callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def __call__(self, callback: Callable[[], None]) -> None:
        self.callbacks.put(callback)

    def turn(self) -> None:
        self.callbacks.get(timeout=30)()


@pytest.fixture
def memory():
    with mmap.mmap(-1, 1 << 16) as made:
        made[100:108] = b"tradewnd"
        yield made


def test_bytes_come_back_and_nothing_has_a_name(tmp_path: Path, memory: mmap.mmap) -> None:
    loop = InLoop()
    files = SpillFiles(str(tmp_path), loop)
    said: list[str] = []
    files.write("a", memory, 100, 8, said.append)
    assert "a" not in files, "not before the loop has been told"
    loop.turn()
    assert said == [""]
    assert "a" in files
    assert len(files) == 1
    assert files.bytes == 8
    assert os.listdir(tmp_path) == []
    memory[100:108] = bytes(8)
    assert files.part("a", 2, 3) == b"ade"
    assert files.part("b", 0, 1) is None
    files.read("a", memory, 200, 8, said.append)
    loop.turn()
    assert said == ["", ""]
    assert memory[200:208] == b"tradewnd"
    files.forget("a")
    assert files.bytes == 0
    files.forget("a")
    files.write("c", memory, 0, 1, said.append)
    loop.turn()
    files.close()
    assert len(files) == 0


def test_a_disk_that_takes_nothing_is_named(tmp_path: Path, memory: mmap.mmap) -> None:
    loop = InLoop()
    files = SpillFiles(str(tmp_path / "missing"), loop)
    said: list[str] = []
    files.write("a", memory, 0, 8, said.append)
    loop.turn()
    assert files.failure == said[0]
    assert "missing" in files.failure
    assert "No such file" in files.failure
    assert len(files) == 0


def test_what_is_let_go_of_on_its_way_leaves_nothing(tmp_path: Path, memory: mmap.mmap) -> None:
    loop = InLoop()
    files = SpillFiles(str(tmp_path), loop)
    said: list[str] = []
    before = len(os.listdir("/proc/self/fd"))
    files.write("a", memory, 100, 8, said.append)
    files.forget("a")
    loop.turn()
    assert said == [], "nobody waits for it"
    assert "a" not in files

    files.write("b", memory, 100, 8, said.append)
    loop.turn()
    files.read("b", memory, 200, 8, said.append)
    files.forget("b")
    assert files.part("b", 0, 1) == b"t", "its file stays open while it is read"
    loop.turn()
    assert said == ["", "it was let go of"], "its place may be used again"
    assert "b" not in files
    assert files.bytes == 0
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_thread_lives_only_while_there_is_work(tmp_path: Path, memory: mmap.mmap) -> None:
    loop = InLoop()
    files = SpillFiles(str(tmp_path), loop)
    for name in "abc":
        files.write(name, memory, 0, 8, lambda _error: None)
    for _ in "abc":
        loop.turn()
    for thread in threading.enumerate():
        if thread.name == "tradewind-spill":
            thread.join(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "tradewind-spill"]
    assert len(files) == 3
    files.close()
