from __future__ import annotations

import gc
from collections.abc import Iterator

import google.cloud.compute_v1  # noqa: F401  see below
import pytest

from clouds.gcp.world import GcpWorld, gcp_world

gc.freeze()  # the vendor's library is a million objects that stay; the leak check need not walk them after every test


@pytest.fixture
def world() -> Iterator[GcpWorld]:
    """A project with nothing in it; whatever is left there when the test ends fails it."""
    with gcp_world() as made:
        yield made
        assert made.held() == [], f"left behind: {made.held()}"
