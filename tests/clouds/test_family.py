"""A quota of a family rules out its types in that region and market, and no others."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import offer
from tradewind.broker.clouds.family import family
from tradewind.broker.provider import Blocked
from tradewind.broker.provision.failover import as_place, block_for_refusal

REFUSED = Blocked(kind="quota", scope="family", why="no vCPUs left", until_unix=2000.0)


@pytest.mark.parametrize(
    ("cloud", "refused", "same", "other"),
    [
        ("aws", "m5.xlarge", ["m5.large", "m5.metal"], ["m5d.xlarge", "c5.xlarge", "p5.48xlarge"]),
        ("aws", "u-6tb1.112xlarge", ["u-6tb1.56xlarge"], ["u7i-6tb.112xlarge"]),
        ("azure", "Standard_D8s_v5", ["Standard_D2s_v5", "Standard_D96s_v5"], ["Standard_D8s_v4", "Standard_E8s_v5"]),
        ("azure", "Standard_D8s_v5", [], ["Standard_DC8s_v5", "Standard_NC24ads_A100_v4"]),
        ("gcp", "n2-standard-8", ["n2-highmem-4", "n2-standard-8"], ["n2d-standard-8", "a2-highgpu-1g"]),
        ("gcp", "tpu-v6e-4", ["tpu-v6e-8"], ["tpu-v5e-4", "n2-standard-8"]),
        ("ssh", "lab", ["lab"], ["lab2"]),
    ],
)
def test_families(cloud: str, refused: str, same: list[str], other: list[str]) -> None:
    one = msgspec.structs.replace(offer("a", cloud=cloud), instance_type=refused)
    place = as_place(block_for_refusal(one, use_spot=True, refused=REFUSED, cluster_id=None, now=1000.0))

    def ruled_out(instance_type: str, **changes: object) -> bool:
        return place.matches(msgspec.structs.replace(one, instance_type=instance_type, **changes), use_spot=True)

    assert all(ruled_out(name, zone="b") for name in [refused, *same])
    assert not any(ruled_out(name) for name in other)
    assert not ruled_out(refused, region="elsewhere")
    assert not place.matches(one, use_spot=False)


def test_a_name_that_tells_no_family_is_its_own() -> None:
    assert family("aws", "odd") == "odd"
