from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.azure.world import AzureWorld, azure_world


@pytest.fixture
def world() -> Iterator[AzureWorld]:
    """A subscription with nothing in it; whatever is left there when the test ends fails it."""
    with azure_world() as made:
        yield made
        assert made.held() == [], f"left behind: {made.held()}"
