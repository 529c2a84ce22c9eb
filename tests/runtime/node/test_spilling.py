from __future__ import annotations

import mmap
import os
from pathlib import Path

from tradewind.runtime.node.spilling import SpillFiles


def test_bytes_come_back_and_nothing_has_a_name(tmp_path: Path) -> None:
    files = SpillFiles(str(tmp_path))
    memory = mmap.mmap(-1, 1 << 16)
    memory[100:108] = b"tradewnd"
    assert files.write("a", memory, 100, 8)
    assert "a" in files
    assert len(files) == 1
    assert files.bytes == 8
    assert os.listdir(tmp_path) == []
    memory[100:108] = bytes(8)
    assert files.part("a", 2, 3) == b"ade"
    assert files.part("b", 0, 1) is None
    files.read("a", memory, 200, 8)
    assert memory[200:208] == b"tradewnd"
    files.forget("a")
    assert files.bytes == 0
    files.forget("a")
    files.write("c", memory, 0, 1)
    files.close()
    assert len(files) == 0


def test_a_disk_that_takes_nothing_is_named(tmp_path: Path) -> None:
    files = SpillFiles(str(tmp_path / "missing"))
    assert not files.write("a", mmap.mmap(-1, 4096), 0, 8)
    assert "missing" in files.failure
    assert "No such file" in files.failure
