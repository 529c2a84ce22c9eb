"""The chaos of `make soak-jobs`, small: a few jobs under a few strikes, every one counted to its end exactly."""

from __future__ import annotations

import contextlib

import pytest

from benchmarks.jobs_soak import Chaos


@pytest.mark.timeout(400)
def test_jobs_count_to_the_end_whatever_dies(tmp_path):
    chaos = Chaos(str(tmp_path), jobs=3, steps=60, every=10, active=3, seed=4)
    try:
        told = chaos.run(12.0, pause_s=(1.0, 2.5))
    finally:
        with contextlib.suppress(Exception):
            chaos.close()
    assert told["jobs that counted to the end"] == 3
    assert sum(chaos.victims.values()) >= 2
