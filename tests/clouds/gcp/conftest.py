from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.gcp.world import GcpWorld, gcp_world


@pytest.fixture
def world() -> Iterator[GcpWorld]:
    """A project with nothing in it; whatever is left there when the test ends fails it."""
    with gcp_world() as made:
        yield made
        assert made.held() == [], f"left behind: {made.held()}"
