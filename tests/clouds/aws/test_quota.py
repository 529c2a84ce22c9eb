"""Quotas by amount: the right code for each family, and what is left of it."""

from __future__ import annotations

import pytest

from clouds.conformance import run
from clouds.fakes.aws.world import AwsWorld, offer
from tradewind.broker.clouds.aws.quota import allowed, quota_code


@pytest.mark.parametrize(
    ("instance_type", "on_demand", "spot"),
    [
        ("c5.large", "L-1216C47A", "L-34B43A08"),
        ("m8g.16xlarge", "L-1216C47A", "L-34B43A08"),
        ("im4gn.large", "L-1216C47A", "L-34B43A08"),
        ("g6.xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("gr6.4xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("p3.2xlarge", "L-417A185B", "L-7212CCBC"),
        ("p5en.48xlarge", "L-417A185B", "L-C4BD4855"),
        ("p6-b200.48xlarge", "L-417A185B", ""),
        ("inf2.xlarge", "L-1945791B", "L-B5D1601B"),
        ("trn1.2xlarge", "L-2C3B7624", "L-6B0D517C"),
        ("hpc7a.96xlarge", "L-F7808C92", ""),
        ("x2idn.16xlarge", "L-7295265B", "L-E3A00192"),
        ("u-6tb1.metal", "L-43DA4232", ""),
        ("mac2.metal", "", ""),
    ],
)
def test_families(instance_type: str, on_demand: str, spot: str) -> None:
    assert quota_code(instance_type, use_spot=False) == on_demand
    assert quota_code(instance_type, use_spot=True) == spot


def test_what_is_left() -> None:
    assert allowed(32, 0, 8) == 4
    assert allowed(32, 25, 8) == 0
    assert allowed(0, 0, 8) == 0
    assert allowed(8, 16, 8) == 0


def test_running_instances_count(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        world.account.vcpu_quotas["m"] = 8
        made = await provider.launch(world.request(), "token-1")
        wanted = [
            offer(),
            offer(instance_type="c5.xlarge", vcpus=4),
            offer(instance_type="mac2.metal"),
            offer(instance_type="g5.xlarge", vcpus=4),
        ]
        assert await provider.headroom(wanted, use_spot=False) == [3, 1, None, 64]
        assert await provider.headroom(wanted[:1], use_spot=True) == [128]
        await provider.terminate(made.provider_id)

    run(scenario())
