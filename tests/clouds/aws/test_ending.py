"""Many instances ended with few calls, and each that EC2 refuses to end by its name."""

from __future__ import annotations

import types

import pytest

from clouds.conformance import run
from clouds.fakes.aws import rules
from clouds.fakes.aws.world import AwsWorld
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.release import end_strays


def protect(name: str) -> None:
    """As a person does in AWS's console: termination protection."""
    (found,) = [one for one in rules.all_instances("us-east-1") if one.id == name]
    found.disable_api_termination = True


def test_the_protected_one_is_named_and_the_others_end(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = [await provider.launch(world.request(f"i-{n}", cluster=f"c{n}"), f"t{n}") for n in range(3)]
        protect(made[1].provider_id.partition("/")[2])
        services = types.SimpleNamespace(providers={"aws": provider}, store=types.SimpleNamespace(check=lambda: None))
        with pytest.raises(ProviderError, match=rf"{made[1].provider_id}: .*disableApiTermination") as refusal:
            await end_strays(services, {"tradewind-owner": "Owner.1"}, clouds=["aws"])  # type: ignore[arg-type]
        assert made[0].provider_id not in refusal.value.message
        assert world.live() == 1
        for one in rules.all_instances("us-east-1"):
            one.disable_api_termination = False
        assert await provider.terminate_all([one.provider_id for one in made]) == {}
        assert world.held() == []

    run(scenario())


def test_the_calls_do_not_grow_with_the_instances(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        calls = []
        for count in (2, 6):
            made = [
                await provider.launch(world.request(f"i-{count}-{n}", rank=n), f"t{count}{n}") for n in range(count)
            ]
            before = len(world.calls())
            assert await provider.terminate_all([one.provider_id for one in made]) == {}
            calls.append(len(world.calls()) - before)
        assert calls[0] == calls[1]

    run(scenario())
    assert world.held() == []
