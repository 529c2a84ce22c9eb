from __future__ import annotations

import os
import signal
import time

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, eventually
from tests.runtime.test_direct_links import on
from tradewind.runtime import exceptions
from tradewind.runtime.util.state import rows


class Deadly:
    """Ends whoever pickles it, a moment after the result before it was stored."""

    def __reduce__(self):
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@ray.remote(num_returns=2, max_retries=0)
def half_done():
    return bytes(6_000_000), Deadly()


@ray.remote(num_cpus=0)
class HalfDone:
    @ray.method(num_returns=2)
    def half_done(self):
        return bytes(6_000_000), Deadly()


def test_what_a_dead_worker_had_stored_and_told_nobody_is_not_kept(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    for number in ("0", "1"):
        with pytest.raises(exceptions.WorkerCrashedError):
            ray.get(half_done.options(scheduling_strategy=on(number)).remote(), timeout=30)
        actor = HalfDone.options(scheduling_strategy=on(number)).remote()
        with pytest.raises(exceptions.RayActorError):
            ray.get(actor.half_done.remote(), timeout=30)
    assert eventually(lambda: [row.more["objects"] for row in rows("memory")] == ["0", "0"]), rows("memory")
