"""Addresses belong to one test run at a time, and are free again once it has ended, however it did."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from clouds.lab.claims import claim, first_free

TESTS = pathlib.Path(__file__).resolve().parents[2]
OTHER = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from clouds.lab.claims import claim
held = claim(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_what_another_run_holds_is_not_had_until_it_is_killed() -> None:
    address = f"test-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match=f"{address} belongs to another test run"):
            claim(address, patience_s=0)
        other.kill()
        other.wait()
    claim(address).close()


def test_the_next_block_is_taken_where_one_is_held() -> None:
    one, first = first_free(128, 5)
    two, second = first_free(128, one)
    first.close()
    second.close()
    assert one != two
