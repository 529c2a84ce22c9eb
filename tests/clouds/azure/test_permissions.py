"""The permissions that the documentation asks for are those of the calls that are made: none missing, none too many."""

from __future__ import annotations

import json
import pathlib
import re

from clouds.azure.world import OPERATIONS, AzureWorld, offer, request
from clouds.conformance import run
from tradewind.broker.clouds.azure import check

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "clouds" / "azure.md"
A10 = offer("Standard_NV36ads_A10_v5", accelerator="A10", accelerator_count=1.0, vcpus=36.0)


def test_everything_that_can_be_done_makes_every_call_of_the_list(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider, tags = world.provider(), {"tradewind-cluster": "c1"}
        await provider.check()
        await provider.headroom([offer()], use_spot=False)
        one = await provider.launch(request("i-1", use_spot=True), "t1")
        two = await world.provider().launch(request("i-2", offer=A10), "t2")
        await provider.describe(tags)
        await provider.stop(one.provider_id)
        await provider.start(one.provider_id)
        await provider.open_ports([one.provider_id], [8080])
        await provider.terminate(one.provider_id)
        await provider.terminate(two.provider_id)
        await provider.sweep(tags)

    run(scenario())
    assert set(world.calls()) == {*check.CALLS, check.SELF_DELETION, *OPERATIONS}


def test_the_page_lists_exactly_these() -> None:
    (role,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert json.loads(role)["Actions"] == list(check.PERMISSIONS)
    assert check.SELF_DELETION in PAGE.read_text()
