"""What is bought: every kind of machine, as the SDK's models and Azure's rules demand it."""

from __future__ import annotations

import base64

import pytest

from clouds.azure.world import MACHINE_WRITE, AzureWorld, azure_world, offer, request
from clouds.conformance import refused, run
from clouds.fakes.journal import Fault

CLUSTER = {"tradewind-cluster": "c1"}
A100 = offer("Standard_NC24ads_A100_v4", accelerator="A100-80GB", accelerator_count=1.0, vcpus=24.0)
A10 = offer("Standard_NV36ads_A10_v5", accelerator="A10", accelerator_count=1.0, vcpus=36.0)


def bought(world: AzureWorld, **changes) -> dict:
    """The body with which the request was bought; the machine is terminated again."""

    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(**changes), "token")
        assert made.state == "RUNNING"
        assert made.address
        assert made.public_address
        await provider.terminate(made.provider_id)

    run(scenario())
    return next(c.body for c in world.cloud.journal.calls if c.method == MACHINE_WRITE)


class TestMachines:
    def test_spot_is_deleted_when_taken_and_has_its_price_limit(self, world) -> None:
        properties = bought(world, use_spot=True)["properties"]
        assert (properties["priority"], properties["evictionPolicy"]) == ("Spot", "Delete")
        assert properties["billingProfile"] == {"maxPrice": 0.1}

    def test_on_demand_says_nothing_of_spot(self, world) -> None:
        assert not {"priority", "evictionPolicy", "billingProfile"} & set(bought(world)["properties"])

    @pytest.mark.parametrize(
        ("instance_type", "arch"),
        [("Standard_D4ps_v5", "arm64"), ("Standard_A1_v2", "x86_64"), ("Standard_D8s_v6", "x86_64")],
    )
    def test_sizes_with_their_own_image_or_disk_controller(self, world, instance_type, arch) -> None:
        bought(world, offer=offer(instance_type, arch=arch))

    def test_disk_image_and_labels_are_as_asked(self, world) -> None:
        image = "Canonical:ubuntu-24_04-lts:server:latest"
        body = bought(world, disk_gib=300, disk_tier="best", image=image, labels={"team": "weather"})
        storage = body["properties"]["storageProfile"]
        assert (storage["osDisk"]["diskSizeGB"], storage["imageReference"]["offer"]) == (300, "ubuntu-24_04-lts")
        assert storage["osDisk"]["managedDisk"]["storageAccountType"] in {"Premium_LRS", "StandardSSD_LRS"}
        assert body["tags"]["team"] == "weather"

    def test_an_image_that_is_none_blocks_nobody_for_long(self, world) -> None:
        async def scenario() -> None:
            error = await refused(world.provider().launch(request(image="Debian:debian-12:none:latest"), "token"))
            assert (error.code, error.message.partition(":")[0]) == ("NOT_AS_ASKED", "image_id")
            await world.provider().sweep(CLUSTER)

        run(scenario())

    def test_gpus_boot_an_image_with_drivers(self, world) -> None:
        body = bought(world, offer=A100)
        assert body["properties"]["storageProfile"]["imageReference"]["offer"] == "ubuntu-hpc"

    def test_shared_gpus_get_their_driver_by_extension(self, world) -> None:
        bought(world, offer=A10)
        assert world.cloud.journal.count("Microsoft.Compute/virtualMachines/extensions/write") == 1

    def test_a_driver_that_cannot_be_installed_leaves_no_machine(self, world) -> None:
        async def scenario() -> None:
            name = "Microsoft.Compute/virtualMachines/extensions/write"
            world.cloud.journal.faults.append(Fault(name, 409, "VMExtensionProvisioningError", "no such kernel"))
            provider = world.provider()
            assert provider.classify(await refused(provider.launch(request(offer=A10), "t"))).kind == "image"
            assert world.live() == 0
            await provider.sweep(CLUSTER)

        run(scenario())

    def test_key_tags_and_first_boot_data(self, world) -> None:
        body = bought(world)
        profile = body["properties"]["osProfile"]
        assert profile["linuxConfiguration"]["disablePasswordAuthentication"] is True
        assert "adminPassword" not in profile
        assert profile["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"].startswith("ssh-ed25519")
        assert b"#cloud-config\nssh_keys" in base64.b64decode(profile["customData"])
        assert body["tags"]["tradewind-owner"] == "Owner.1"
        assert "token" not in body["tags"].values(), "the token itself is nobody's business"

    def test_everything_made_carries_the_tags(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(), "t")
            for group in world.cloud.arm.groups.values():
                assert group["tags"].items() >= CLUSTER.items()
            for body in world.cloud.arm.resources.values():
                assert body["tags"].items() >= CLUSTER.items(), body["id"]
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_without_a_key_nothing_is_made(self, world) -> None:
        error = run(refused(world.provider().launch(request(ssh_public_key=""), "t")))
        assert error.code == "NO_KEY"
        assert world.calls() == []


class TestPlaces:
    def test_zones_are_those_the_subscription_may_use(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            assert await provider.zones(offer()) == ["1", "2", "3"]
            assert await provider.zones(A100) == ["1", "3"]
            assert await provider.zones(offer("Standard_E4s_v5")) == []
            assert await provider.zones(offer("Standard_Nothing")) == []
            assert world.cloud.journal.count("Microsoft.Compute/skus/read") == 1, "the list is read once"

        run(scenario())

    def test_a_zone(self, world) -> None:
        assert bought(world, offer=offer(zone="eastus-2"))["zones"] == ["2"]

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            (offer("Standard_E4s_v5"), "NOT_FOR_SUBSCRIPTION"),
            (offer("Standard_NC24ads_A100_v4", zone="2"), "NOT_FOR_SUBSCRIPTION"),
            (offer("Standard_Nothing"), "NOT_SOLD_HERE"),
            (offer(region="marsnorth"), "NOT_SOLD_HERE"),
            (offer("Standard_D4ps_v5", accelerator="GB200"), "NO_IMAGE"),
        ],
        ids=["closed region", "closed zone", "no such size", "no such region", "no image"],
    )
    def test_what_cannot_be_had_is_known_before_anything_is_made(self, world, wanted, code) -> None:
        provider = world.provider()
        error = run(refused(provider.launch(request(offer=wanted), "t")))
        assert error.code == code
        assert world.cloud.journal.count("*/write") == 0


class TestRefusals:
    @pytest.mark.parametrize(
        "code", ["AllocationFailed", "ZonalAllocationFailed", "OverconstrainedZonalAllocationRequest"]
    )
    def test_a_late_lack_of_capacity_leaves_no_machine(self, world, code) -> None:
        async def scenario() -> None:
            world.cloud.arm.late = code
            world.exhaust(request())
            provider = world.provider()
            error = await refused(provider.launch(request(), "t"))
            blocked = provider.classify(error)
            assert (error.code, blocked.kind, blocked.scope) == (code, "capacity", "type")
            assert world.live() == 0
            assert [b["type"] for b in world.cloud.arm.resources.values() if "disks" in b["type"]] == []
            await provider.sweep(CLUSTER)

        run(scenario())

    def test_a_machine_that_failed_while_nobody_watched(self, world) -> None:
        async def scenario() -> None:
            world.cloud.arm.late = "AllocationFailed"
            world.exhaust(request())
            first = world.provider()
            name = "Microsoft.Compute/locations/operations/read"
            world.cloud.journal.faults.append(Fault(name, 403, "AuthorizationFailed", times=1))
            # the first daemon could not follow the operation, and could not delete either
            world.cloud.journal.faults.append(
                Fault("Microsoft.Compute/virtualMachines/delete", 403, "AuthorizationFailed")
            )
            await refused(first.launch(request(), "t"))
            (seen,) = await world.provider().describe(CLUSTER)
            assert seen.state in ("PENDING", "STOPPED")
            error = await refused(world.provider().launch(request(), "t"))
            assert error.code == "AllocationFailed"
            assert world.live() == 0
            await first.sweep(CLUSTER)

        run(scenario())

    def test_another_token_finds_the_name_taken(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(), "one")
            error = await refused(world.provider().launch(request(), "two"))
            assert error.code == "TOKEN_MISMATCH"
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_a_purchase_is_sent_once(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            world.cloud.journal.faults.append(Fault(MACHINE_WRITE, 503, "ServiceUnavailable", times=9))
            assert provider.classify(await refused(provider.launch(request(), "t"))).kind == "transient"
            assert world.cloud.journal.count(MACHINE_WRITE) == 1
            world.cloud.journal.faults.clear()
            made = await provider.launch(request(), "t")
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_a_machine_evicted_while_it_starts(self, world) -> None:
        async def scenario() -> None:
            world.cloud.arm.polls = 3
            provider = world.provider()

            def evict(call: str) -> None:
                if call == "Microsoft.Compute/locations/operations/read" and world.cloud.arm.machines():
                    world.cloud.journal.on_call = None
                    world.cloud.arm.evict(world.cloud.arm.machines()[0])

            world.cloud.journal.on_call = evict
            error = await refused(provider.launch(request(use_spot=True), "t"))
            assert provider.classify(error).kind == "capacity"
            await provider.sweep(CLUSTER)

        run(scenario())

    def test_an_eviction_takes_the_disk_and_the_address_with_it(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(use_spot=True), "t")
            world.reclaim(made)
            left = {body["type"] for body in world.cloud.arm.resources.values()}
            assert left == {"Microsoft.Network/virtualNetworks", "Microsoft.Network/networkSecurityGroups"}
            await provider.terminate(made.provider_id)

        run(scenario())


class TestSelfDeletion:
    def test_a_machine_may_delete_its_own_group_and_nothing_else(self, world) -> None:
        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(request(), "t")
            (assignment,) = world.cloud.arm.assignments.values()
            group = made.provider_id.partition("/")[0]
            assert assignment["id"].startswith(f"/subscriptions/{world.cloud.arm.subscription}/resourceGroups/{group}/")
            assert assignment["properties"]["principalType"] == "ServicePrincipal"
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_who_may_not_allow_that_can_still_launch(self, world) -> None:
        async def scenario() -> None:
            world.cloud.arm.denied = ["Microsoft.Authorization/roleAssignments/*"]
            provider = world.provider()
            for rank in range(2):
                await provider.launch(request(f"i-{rank}", rank=rank), f"t{rank}")
            assert world.cloud.journal.count("Microsoft.Authorization/roleAssignments/write") == 1
            for instance in await provider.describe(CLUSTER):
                await provider.terminate(instance.provider_id)

        run(scenario())

    def test_it_can_be_left_out(self) -> None:
        with azure_world(self_deletion=False) as world:
            assert "identity" not in bought(world)
