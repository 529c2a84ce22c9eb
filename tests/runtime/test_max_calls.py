from __future__ import annotations

import os

import pytest

import tradewind.runtime as ray


@pytest.mark.usefixtures("cluster")
def test_a_worker_ends_after_max_calls_of_a_function_and_no_call_is_lost() -> None:
    @ray.remote(max_calls=2, max_retries=0)
    def pid():
        return os.getpid()

    pids = ray.get([pid.remote() for _ in range(12)], timeout=60)
    assert len(pids) == 12
    assert max(pids.count(one) for one in pids) <= 2
    with pytest.raises(ValueError, match="max_calls"):
        pid.options(max_calls=-1).remote()


@pytest.mark.usefixtures("cluster")
def test_what_a_retired_worker_owns_can_be_read() -> None:
    @ray.remote(max_calls=1)
    def make():
        return ray.put("kept")

    inner = ray.get(make.remote(), timeout=30)
    assert ray.get(inner, timeout=30) == "kept"
