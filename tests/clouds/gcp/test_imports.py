"""The vendor's library, whose import takes long, is imported for a purchase and not before, and never in the thread that serves everybody."""

from __future__ import annotations

import os
import subprocess
import sys

from clouds.lab.namespaces import ROOT

PROGRAM = """
import asyncio, importlib.abc, sys, threading
from clouds.gcp.world import gcp_world, offer, request

LIBRARY, threads = "google.cloud.compute_v1", []

class Seen(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == LIBRARY:
            threads.append(threading.current_thread())

sys.meta_path.insert(0, Seen())

async def life(provider):
    await provider.check()
    assert await provider.headroom([offer()], use_spot=False)
    assert LIBRARY not in sys.modules, "a check and a plan go without"
    made = await provider.launch(request("i-1"), "t1")
    await provider.terminate(made.provider_id)
    await provider.sweep({})

with gcp_world() as world:
    asyncio.run(life(world.provider()))
assert threads and threading.main_thread() not in threads, threads
"""


def test_not_for_a_check_nor_a_plan_nor_in_the_loops_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
