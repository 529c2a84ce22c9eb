"""Azure under crashes at every call and seeded storms."""

from __future__ import annotations

import pytest

from clouds.azure.world import azure_world, request
from clouds.faults import Trial, crash_everywhere, storm

TRIAL = Trial(
    azure_world,
    request(),
    calls=("Microsoft.Compute/virtualMachines/*", "Microsoft.Network/*", "Microsoft.Resources/*", "*/operations/read"),
    storm_kinds=frozenset({"transient", "throttle", "fatal"}),
)


def test_a_crash_at_every_call() -> None:
    assert crash_everywhere(TRIAL) > 15


# the SDK does not close the answers that its retries throw away (it asks for them as streams); the collector does
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("seed", range(6))
def test_a_storm_of_faults(seed: int) -> None:
    storm(TRIAL, seed)
