"""AWS passes what every provider must pass, against moto behind the shim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.conformance import ProviderConformance
from clouds.fakes.aws.world import AwsWorld, fake_aws


class TestConformance(ProviderConformance):
    @pytest.fixture
    def world(self) -> Iterator[AwsWorld]:
        with fake_aws() as world:
            yield world
