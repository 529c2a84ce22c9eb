"""Bad weather: reads throttled and failing by a seeded script, for a whole life of instances. Purchases are sent once, and nothing is left."""

from __future__ import annotations

import asyncio
import random
import types
from collections import Counter

import botocore.endpoint
import pytest

from clouds.conformance import own, run
from clouds.fakes.aws.rules import Refusal
from clouds.fakes.aws.world import AwsWorld
from tradewind.broker.provider import ProviderError

WEATHER = (
    (503, "RequestLimitExceeded", "Request limit exceeded."),
    (500, "InternalError", "An internal error has occurred"),
    (503, "Unavailable", "The service is unavailable"),
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own pauses between tries take no time; their number stays."""
    monkeypatch.setattr(
        botocore.endpoint, "time", types.SimpleNamespace(sleep=lambda _s: None, time=botocore.endpoint.time.time)
    )


@pytest.mark.parametrize("seed", range(3))
def test_three_in_ten_reads_fail(world: AwsWorld, seed: int) -> None:
    dice = random.Random(seed)

    def weather(action: str) -> None:
        if action.startswith(("Describe", "Get")) and dice.random() < 0.3:
            raise Refusal(*dice.choice(WEATHER))

    world.account.weather = weather

    async def scenario() -> None:
        provider = world.provider()
        requests = [world.request(f"i-{n}", rank=n) for n in range(3)]
        launched = await asyncio.gather(
            *(patiently(lambda r=r: provider.launch(r, f"token-{r.rank}")) for r in requests)
        )
        assert world.live() == 3
        assert world.calls().count("ec2:RunInstances") <= 3 + 3 * 4
        for request in requests:
            (seen,) = await patiently(lambda r=request: provider.describe(own(r)))
            assert seen.instance_id == request.instance_id
        await asyncio.gather(*(patiently(lambda i=i: provider.terminate(i.provider_id)) for i in launched))
        await patiently(lambda: provider.sweep({"tradewind-cluster": "c1"}))

    run(scenario(), deadline_s=60)
    assert Counter(world.calls())["ec2:DescribeInstances"] > 5


def test_a_minute_of_errors_ends_in_one_sentence(world: AwsWorld) -> None:
    def weather(_action: str) -> None:
        raise Refusal(500, "InternalError", "An internal error has occurred")

    world.account.weather = weather

    async def scenario() -> None:
        provider = world.provider()
        with pytest.raises(ProviderError) as caught:
            await provider.describe({"tradewind-owner": "x"})
        assert provider.classify(caught.value).kind == "transient"
        assert 5 <= Counter(world.calls())["ec2:DescribeInstances"] <= 5 * 2, (
            "five tries in each of two regions, the first to fail speaks"
        )

    run(scenario())


async def patiently(call):
    """As the broker does: a passing refusal is met again, a bounded number of times."""
    for _ in range(8):
        try:
            return await call()
        except ProviderError as error:
            if error.code not in {code for _, code, _ in WEATHER}:
                raise
    pytest.fail("eight tries were not enough")
