"""The permissions that the documentation asks for are those of the calls that are made: none missing, none too many."""

from __future__ import annotations

import pathlib
import re

from clouds.conformance import run
from clouds.gcp.world import GcpWorld, offer, request
from tradewind.broker.clouds.gcp import check

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "clouds" / "gcp.md"
TPU = offer("tpu-v6e-4", accelerator="tpu-v6e", zone="us-east5-b", region="us-east5", vcpus=None)


def test_everything_that_can_be_done_makes_every_call_of_the_table(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider, tags = world.provider(), {"tradewind-cluster": "c1"}
        await provider.check()
        await provider.headroom([offer()], use_spot=False)
        await provider.zones(offer(zone=""))
        for wanted in (request("i-1", use_spot=True), request("i-2", offer=TPU)):
            made = await provider.launch(wanted, wanted.instance_id)
            await provider.describe(tags)
            await provider.console(made.provider_id)
            await provider.host_keys(made.provider_id)
            await provider.why_ended(made.provider_id)
            await provider.stop(made.provider_id)
            await provider.start(made.provider_id)
            for port in (8080, 9090):
                await provider.open_ports([made.provider_id], [port])
            for machine in world.cloud.compute.machines.values():
                machine.body["disks"][0]["autoDelete"] = False
            await provider.terminate(made.provider_id)
        await provider.sweep(tags)

    run(scenario())
    assert set(world.calls()) == set(check.PERMISSIONS)


def test_the_page_lists_exactly_these() -> None:
    listed = re.findall(r"^ *- ((?:compute|tpu|iam)\.[\w.]+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*check.permissions(), check.AS_ACCOUNT])
