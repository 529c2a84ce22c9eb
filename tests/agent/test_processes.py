"""Ending by mark: whoever inherited it, wherever it went."""

from __future__ import annotations

import os
import subprocess
import time

from tradewind.agent.processes import end_marked, marked, wait_gone


def test_everyone_with_the_mark_and_nobody_else():
    mark = f"TRADEWIND_TEST={os.getpid()}:one"
    other = f"TRADEWIND_TEST={os.getpid()}:one-more"
    name, _, value = mark.partition("=")
    script = "(setsid bash -c 'setsid sleep 1000 & exec sleep 1000' &); trap '' TERM; while true; do sleep 1000; done"
    one = subprocess.Popen(["bash", "-c", script], env={**os.environ, name: value})
    two = subprocess.Popen(["sleep", "1000"], env={**os.environ, name: other.partition("=")[2]})
    try:
        deadline = time.monotonic() + 10
        while len(marked(mark)) < 4:
            assert time.monotonic() < deadline
        assert end_marked(mark)
        assert marked(mark) == []
        assert one.wait(5) == -9
        assert marked(other) == [two.pid]
    finally:
        two.kill()
        two.wait()
    assert end_marked(other)


def test_waiting_for_the_end():
    process = subprocess.Popen(["sleep", "1000"])
    assert not wait_gone([process.pid], 0.05)
    process.kill()
    assert wait_gone([process.pid, 2**22 - 1], 5)
    process.wait()
