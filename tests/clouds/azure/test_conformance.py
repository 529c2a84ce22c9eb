"""Azure does what every provider must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.azure.world import AzureWorld, azure_world
from clouds.conformance import ProviderConformance


class TestAzure(ProviderConformance):
    @pytest.fixture
    def world(self) -> Iterator[AzureWorld]:
        with azure_world() as made:
            yield made
