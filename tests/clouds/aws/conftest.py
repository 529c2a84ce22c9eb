"""A fresh fake account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.fakes.aws.world import AwsWorld, fake_aws


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with fake_aws() as world:
        yield world
        assert world.held() == [], f"left behind: {world.held()}"
