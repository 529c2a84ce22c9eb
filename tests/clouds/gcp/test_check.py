from __future__ import annotations

from clouds.conformance import refused, run
from clouds.gcp.world import GcpWorld
from tradewind.broker.clouds.gcp import check
from tradewind.broker.clouds.gcp.provider import GcpProvider
from tradewind.broker.clouds.gcp.session import Found, Session


def test_all_is_well(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        assert "demo-project" in await provider.check()
        assert all(finding.ok for finding in await provider.report())

    run(scenario())


def test_a_missing_permission_is_named_with_its_cure(world: GcpWorld) -> None:
    async def scenario() -> None:
        world.cloud.compute.granted = set(check.permissions()) - {"compute.firewalls.create"}
        provider = world.provider()
        error = await refused(provider.check())
        assert "compute.firewalls.create" in str(error)
        assert "gcloud projects add-iam-policy-binding demo-project --member=" in str(error)
        assert "YOU" not in str(error)
        assert provider.classify(error).kind == "permission"
        finding = next(f for f in await provider.report() if not f.ok)
        assert finding.permission == "compute.firewalls.create"

    run(scenario())


def test_without_tpu_permissions_the_rest_works(world: GcpWorld) -> None:
    async def scenario() -> None:
        world.cloud.compute.granted = set(check.permissions(tpu=False))
        assert "without TPUs" in await world.provider().check()

    run(scenario())


def test_a_missing_network_comes_with_the_command_that_makes_it(world: GcpWorld) -> None:
    async def scenario() -> None:
        world.cloud.compute.networks.clear()
        assert "gcloud compute networks create default" in str(await refused(world.provider().check()))

    run(scenario())


def test_nobody_is_logged_in() -> None:
    async def scenario() -> None:
        for found, words in (
            (Found(), "gcloud auth"),
            (Found(file="/nonexistent/key.json", project="p"), "cannot be read"),
        ):
            provider = GcpProvider(Session(found=found))
            try:
                error = await refused(provider.check())
                assert words in str(error)
                assert provider.classify(error).kind == "permission"
                (finding,) = await provider.report()
                assert not finding.ok
                assert finding.mend.startswith("gcloud")
            finally:
                provider.close()

    run(scenario())
