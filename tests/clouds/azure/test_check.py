from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clouds.azure.world import AzureWorld
from clouds.conformance import refused, run
from tradewind.broker.clouds.azure import check
from tradewind.broker.clouds.azure.check import Grant
from tradewind.broker.clouds.azure.provider import AzureProvider
from tradewind.broker.clouds.azure.session import Found, Session


@given(held=st.sets(st.sampled_from(check.PERMISSIONS)))
def test_missing_is_what_no_role_gives(held) -> None:
    grants = [Grant((permission,)) for permission in held]
    assert set(check.missing(grants, check.PERMISSIONS)) == set(check.PERMISSIONS) - held


def test_wildcards_and_what_is_taken_back() -> None:
    contributor = Grant(("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"))
    assert check.missing([contributor], check.PERMISSIONS) == []
    assert check.missing([contributor], [check.SELF_DELETION]) == [check.SELF_DELETION]
    assert check.missing([Grant(("*/read",))], ["Microsoft.Compute/skus/read"]) == []
    assert check.missing([], ["x"]) == ["x"]


def test_all_is_well(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        assert world.cloud.arm.subscription in await provider.check()
        assert all(finding.ok for finding in await provider.report())

    run(scenario())


def test_a_missing_permission_is_named_with_its_cure(world: AzureWorld) -> None:
    async def scenario() -> None:
        world.cloud.arm.granted = ["Microsoft.Resources/*", "Microsoft.Compute/*"]
        provider = world.provider()
        error = await refused(provider.check())
        assert "Microsoft.Network/virtualNetworks/write" in str(error)
        assert "az role assignment create --assignee" in str(error)
        assert "YOU" not in str(error)
        assert provider.classify(error).kind == "permission"

    run(scenario())


def test_without_self_deletion_it_works_and_is_said(world: AzureWorld) -> None:
    async def scenario() -> None:
        world.cloud.arm.granted = list(check.PERMISSIONS)
        provider = world.provider()
        assert "may not delete their own group" in await provider.check()
        (finding,) = [f for f in await provider.report() if not f.ok]
        assert finding.permission == check.SELF_DELETION

    run(scenario())


def test_nobody_is_logged_in() -> None:
    async def scenario() -> None:
        for found, words in ((Found(), "az account set"), (Found("", "sub"), "az login")):
            provider = AzureProvider(Session(found=found))
            try:
                error = await refused(provider.check())
                assert words in str(error)
                assert provider.classify(error).kind == "permission"
                (finding,) = await provider.report()
                assert finding.mend.startswith("az ")
            finally:
                provider.close()

    run(scenario())
