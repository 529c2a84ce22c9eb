"""Google Cloud does what every provider must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.conformance import ProviderConformance
from clouds.gcp.world import GcpWorld, gcp_world


class TestGcp(ProviderConformance):
    @pytest.fixture
    def world(self) -> Iterator[GcpWorld]:
        with gcp_world() as made:
            yield made
