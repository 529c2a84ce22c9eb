"""One world, with one daemon, for each module's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .worlds import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world, with one daemon, for a module's tests."""
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()
