"""What is bought: every kind of machine, as Google's description and rules demand it."""

from __future__ import annotations

import json

import pytest

from clouds.conformance import refused, run
from clouds.fakes.journal import Fault
from clouds.gcp.world import GcpWorld, gcp_world, offer, request
from tradewind.broker.clouds.gcp.engine import zone_order
from tradewind.broker.clouds.gcp.machine import OUTER_CAP_S

V100 = offer("n1-standard-8", accelerator="V100", accelerator_count=2.0)
A100 = offer("a2-highgpu-8g", accelerator="A100", accelerator_count=8.0, vcpus=96.0)


def bought(world: GcpWorld, **changes) -> dict:
    """The body with which the request was bought; the instance is terminated again."""

    async def scenario() -> dict:
        provider = world.provider()
        made = await provider.launch(request(**changes), "token")
        (machine,) = world.cloud.compute.machines.values()
        assert made.state == "RUNNING"
        assert made.address
        assert made.public_address
        await provider.terminate(made.provider_id)
        return machine.body

    return run(scenario())


class TestMachines:
    def test_spot_is_deleted_when_taken(self, world) -> None:
        scheduling = bought(world, use_spot=True)["scheduling"]
        assert scheduling["provisioningModel"] == "SPOT"
        assert scheduling["instanceTerminationAction"] == "DELETE"
        assert scheduling["automaticRestart"] is False

    def test_the_outer_cap_is_fixed_at_launch(self, world) -> None:
        scheduling = bought(world, lease_until_unix=0.0)["scheduling"]
        assert int(scheduling["maxRunDuration"]["seconds"]) == OUTER_CAP_S
        assert scheduling["instanceTerminationAction"] == "DELETE"

    def test_what_nobody_ends_ends_itself(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            await provider.launch(request(lease_until_unix=0.0), "token")
            assert world.cloud.compute.expire(OUTER_CAP_S - 1) == []
            assert len(world.cloud.compute.expire(OUTER_CAP_S)) == 1
            await provider.sweep({"tradewind-cluster": "c1"})

        run(scenario())

    def test_attached_gpus(self, world) -> None:
        body = bought(world, offer=V100)
        assert body["guestAccelerators"] == [
            {"acceleratorType": "zones/us-central1-a/acceleratorTypes/nvidia-tesla-v100", "acceleratorCount": 2}
        ]
        assert body["scheduling"]["onHostMaintenance"] == "TERMINATE"

    def test_disk_image_and_labels_are_as_asked(self, world) -> None:
        image = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"
        body = bought(world, disk_gib=300, disk_tier="high", image=image, labels={"Team": "weather"})
        disk = body["disks"][0]["initializeParams"]
        assert disk["diskType"].endswith("/diskTypes/pd-ssd")
        assert (disk["diskSizeGb"], disk["sourceImage"]) == ("300", image)
        assert "weather" in body["labels"].values()

    def test_hyperdisks_are_bought_by_their_figures(self, world) -> None:
        body = bought(world, offer=offer("c4-standard-8", vcpus=8.0), disk_tier="best")
        fast = body["disks"][0]["initializeParams"]
        assert (fast["provisionedIops"], fast["provisionedThroughput"]) == ("10000", "600")

    def test_an_image_that_is_none_blocks_nobody_for_long(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            error = await refused(provider.launch(request(image="projects/x/global/images/family/none"), "token"))
            assert (error.code, error.message.partition(":")[0]) == ("NOT_AS_ASKED", "image_id")
            await provider.sweep({"tradewind-cluster": "c1"})

        run(scenario())

    def test_built_in_gpus(self, world) -> None:
        body = bought(world, offer=A100)
        assert "guestAccelerators" not in body
        assert body["scheduling"]["onHostMaintenance"] == "TERMINATE"

    @pytest.mark.parametrize(
        ("instance_type", "arch"),
        [("c4a-standard-4", "arm64"), ("t2a-standard-4", "arm64"), ("c4-standard-8", "x86_64")],
    )
    def test_families_with_their_own_images_and_disks(self, world, instance_type, arch) -> None:
        bought(world, offer=offer(instance_type, arch=arch, vcpus=4.0))

    def test_key_tags_and_first_boot_data(self, world) -> None:
        body = bought(world)
        items = {item["key"]: item["value"] for item in body["metadata"]["items"]}
        assert items["ssh-keys"] == "tradewind:ssh-ed25519 AAAAC3Nza tradewind"
        assert items["enable-oslogin"] == "FALSE"
        assert items["user-data"].startswith("#cloud-config")
        assert json.loads(items["tradewind-tags"])["tradewind-owner"] == "Owner.1"
        assert "token" not in items.values(), "the token itself is nobody's business"
        assert body["disks"][0]["initializeParams"]["labels"] == body["labels"]
        assert body["disks"][0]["autoDelete"] is True
        assert "serviceAccounts" not in body

    def test_with_a_service_account_it_can_delete_itself(self) -> None:
        with gcp_world(service_account="me@demo-project.iam.gserviceaccount.com") as world:
            body = bought(world)
        items = {item["key"]: item["value"] for item in body["metadata"]["items"]}
        assert body["serviceAccounts"][0]["email"].startswith("me@")
        assert "multipart/mixed" in items["user-data"]


class TestZones:
    def test_an_offer_without_a_zone_goes_on_to_the_next(self, world) -> None:
        async def scenario() -> None:
            provider, wide = world.provider(), offer(zone="")
            zones = await provider.zones(wide)
            assert zones == ["us-central1-a", "us-central1-b", "us-central1-f"]
            gang = [request(f"i-{rank}", rank=rank, offer=wide) for rank in range(2)]
            first = await provider.launch(gang[0], "t0")
            for zone in {*zones} - {first.zone}:
                world.cloud.compute.capacity[zone, "n2-standard-8", False] = 0
            second = await provider.launch(gang[1], "t1")
            assert second.zone == first.zone, "the nodes of a cluster try the zones in one order"
            world.cloud.compute.capacity[first.zone, "n2-standard-8", False] = 0
            error = await refused(provider.launch(request("i-2", offer=wide), "t2"))
            assert error.code == "ZONE_RESOURCE_POOL_EXHAUSTED"
            for made in (first, second):
                await provider.terminate(made.provider_id)

        run(scenario())

    def test_a_second_call_finds_what_the_first_bought_in_another_zone(self, world) -> None:
        """Between the calls the zone that had refused has machines again: it must not be asked."""

        async def scenario() -> None:
            wide = request(offer=offer(zone=""))
            zones = zone_order(await world.provider().zones(wide.offer), wide.cluster)
            world.cloud.compute.capacity[zones[0], "n2-standard-8", False] = 0
            first = await world.provider().launch(wide, "t")
            assert first.zone == zones[1]
            world.cloud.compute.capacity.clear()
            again = await world.provider().launch(wide, "t")
            assert again.provider_id == first.provider_id
            assert world.live() == 1
            await world.provider().terminate(first.provider_id)

        run(scenario())

    def test_a_type_that_no_zone_has(self, world) -> None:
        async def scenario() -> None:
            error = await refused(world.provider().launch(request(offer=offer("m9-huge-1", zone="")), "t"))
            assert error.code == "NOT_SOLD_HERE"

        run(scenario())


class TestRefusals:
    def test_a_quota_told_at_once(self, world) -> None:
        async def scenario() -> None:
            world.cloud.compute.quota_in_operation = False
            world.quota(0)
            provider = world.provider()
            error = await refused(provider.launch(request(), "t"))
            blocked = provider.classify(error)
            assert (error.code, blocked.kind, blocked.scope) == ("quotaExceeded", "quota", "family")
            await provider.sweep({"tradewind-cluster": "c1"})

        run(scenario())

    def test_another_token_finds_the_name_taken(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(), "one")
            error = await refused(world.provider().launch(request(), "two"))
            assert error.code == "TOKEN_MISMATCH"
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_an_instance_taken_while_it_starts(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()

            def take(call: str) -> None:
                if call == "compute.zoneOperations.get":
                    world.cloud.journal.on_call = None
                    name = next(m.name for m in world.cloud.compute.machines.values())
                    world.cloud.compute.reclaim(name)

            world.cloud.journal.on_call = take
            error = await refused(provider.launch(request(use_spot=True), "t"))
            assert provider.classify(error).kind == "capacity"
            await provider.sweep({"tradewind-cluster": "c1"})

        run(scenario())

    def test_no_network(self, world) -> None:
        async def scenario() -> None:
            world.cloud.compute.networks.clear()
            provider = world.provider()
            blocked = provider.classify(await refused(provider.launch(request(), "t")))
            assert (blocked.kind, blocked.scope) == ("request", "cloud")

        run(scenario())

    def test_an_insert_is_sent_once(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            world.cloud.journal.faults.append(Fault("compute.instances.insert", 503, "backendError", times=9))
            error = await refused(provider.launch(request(), "t"))
            assert provider.classify(error).kind == "transient"
            assert world.cloud.journal.count("compute.instances.insert") == 1
            world.cloud.journal.faults.clear()
            made = await provider.launch(request(), "t")
            await provider.terminate(made.provider_id)

        run(scenario())


class TestReclaim:
    def test_why_it_ended_is_known_after_it_is_gone(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(use_spot=True), "t")
            assert await provider.why_ended(made.provider_id) == ""
            world.reclaim(made)
            assert "preempted it at 2026" in await provider.why_ended(made.provider_id)
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_one_that_is_listed_while_it_is_taken_is_not_called_stopped(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(use_spot=True), "t")
            (machine,) = world.cloud.compute.machines.values()
            machine.body["scheduling"]["instanceTerminationAction"] = "STOP"
            world.reclaim(made)
            (seen,) = await provider.describe({"tradewind-cluster": "c1"})
            assert (seen.state, "spot" in seen.reason) == ("TERMINATED", True)
            await provider.terminate(made.provider_id)

        run(scenario())
