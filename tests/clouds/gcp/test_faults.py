"""Google Cloud under crashes at every call and seeded storms."""

from __future__ import annotations

import msgspec
import pytest

from clouds.faults import Trial, crash_everywhere, storm
from clouds.gcp.world import gcp_world, offer, request

TRIAL = Trial(
    gcp_world,
    request(),
    calls=(
        "compute.instances.*",
        "compute.firewalls.*",
        "compute.zoneOperations.get",
        "compute.globalOperations.get",
    ),
    gone_codes=frozenset({"VANISHED"}),
)
TPU = offer("tpu-v6e-4", accelerator="tpu-v6e", zone="us-east5-b", region="us-east5", vcpus=None)


@pytest.mark.parametrize("kind", ["instance", "tpu"])
def test_a_crash_at_every_call(kind: str) -> None:
    wanted = request() if kind == "instance" else request(offer=TPU)
    assert crash_everywhere(msgspec.structs.replace(TRIAL, wanted=wanted)) > 12


@pytest.mark.parametrize("seed", range(6))
def test_a_storm_of_faults(seed: int) -> None:
    storm(TRIAL, seed)
