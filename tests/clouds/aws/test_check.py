"""What `check` finds, and that the documented policy is what the code calls."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from clouds.conformance import cluster_tags, refused, run
from clouds.fakes.aws.world import AwsWorld, offer
from tradewind.broker.clouds.aws import AwsProvider, check
from tradewind.broker.clouds.aws.session import AwsSession

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "clouds" / "aws.md"
SERVICES = {"ec2": "ec2", "ssm": "ssm", "sts": "sts", "servicequotas": "servicequotas"}


def test_all_is_well(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        said = await provider.check()
        assert said.startswith("AWS works as arn:aws:")
        assert all(f.ok for f in await provider.report())

    run(scenario())


@pytest.mark.parametrize(
    "action", ["ec2:RunInstances", "ec2:CreateSecurityGroup", "ssm:GetParameter", "ec2:DescribeInstances"]
)
def test_a_missing_permission_is_named_with_the_command_that_mends_it(world: AwsWorld, action: str) -> None:
    async def scenario() -> None:
        world.account.denied.add(action)
        provider = world.provider()
        error = await refused(provider.check())
        assert action in str(error)
        assert "aws iam put-user-policy" in str(error)
        missing = [f for f in await provider.report() if not f.ok]
        assert [f.permission for f in missing] == [action]

    run(scenario())


@pytest.mark.parametrize(
    ("who", "to"),
    [
        ("arn:aws:iam::123456789012:user/team/ada", "put-user-policy --user-name ada "),
        ("arn:aws:sts::123456789012:assumed-role/Trainer/laptop", "put-role-policy --role-name Trainer "),
        ("arn:aws:iam::123456789012:root", "put-user-policy --user-name USER "),
    ],
)
def test_the_command_names_who_is_logged_in(who: str, to: str) -> None:
    assert check.grant(who).startswith(f"aws iam {to}--policy-name tradewind ")


def test_quotas_that_may_not_be_asked_are_no_obstacle(world: AwsWorld) -> None:
    async def scenario() -> None:
        world.account.denied.add("servicequotas:GetServiceQuota")
        provider = world.provider()
        assert "quotas are not asked" in await provider.check()
        assert await provider.headroom([offer()], use_spot=False) == [None]

    run(scenario())


def test_a_clock_that_is_off_is_named(world: AwsWorld) -> None:
    async def scenario() -> None:
        world.account.clock_skewed = True
        provider = world.provider()
        error = await refused(provider.check())
        assert "clock" in provider.classify(error).why

    run(scenario())


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    async def scenario() -> None:
        provider = AwsProvider(AwsSession(endpoint_url="http://127.0.0.1:9"))
        try:
            assert not provider.session.has_credentials()
            error = await refused(provider.check())
            assert error.code == "NoCredentials"
            blocked = provider.classify(error)
            assert (blocked.kind, blocked.scope) == ("permission", "cloud")
            assert "aws configure" in blocked.why
        finally:
            provider.close()

    run(scenario())


def documented_actions() -> set[str]:
    (policy,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}


def test_the_documented_policy_holds_what_the_code_calls_and_no_more(world: AwsWorld) -> None:
    """Everything the provider can do is done once; the journal of calls is the list of permissions."""

    async def scenario() -> None:
        provider = world.provider()
        provider._regions = None  # so that they are asked for
        await provider.report()
        await provider.headroom([offer()], use_spot=True)
        await provider.zones(offer(zone=""))
        request = world.request(network_tier="best")
        made = await provider.launch(request, "token-1")
        provider._regions = ("us-east-1", "eu-west-1")
        await provider.open_ports([made.provider_id], [80])
        await provider.console(made.provider_id)
        await provider.stop(made.provider_id)
        await provider.start(made.provider_id)
        await provider.leftovers(cluster_tags([request]))
        await provider.terminate(made.provider_id)

    run(scenario())
    called = set(world.calls())
    unseen = {"ec2:DeleteVolume", "ec2:DeleteNetworkInterface"}  # only after a failure: see the sweep of leftovers
    implied = {"ec2:CreateTags", "iam:CreateServiceLinkedRole"}  # asked of RunInstances' caller, never called by name
    assert called | unseen | implied == documented_actions()
    assert set(check.ACTIONS) | {"iam:CreateServiceLinkedRole"} == documented_actions()
