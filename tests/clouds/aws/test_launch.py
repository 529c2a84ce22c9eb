"""What EC2 is asked for, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest

from clouds.conformance import cluster_tags, own, refused, run
from clouds.fakes.aws import rules
from clouds.fakes.aws.world import AwsWorld, offer
from tradewind.broker.provider import ProviderError


def test_the_request_is_safe_to_leave_alone(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider, request = world.provider(), world.request(use_spot=True, user_data="#cloud-config\n{}\n", disk_gib=77)
        made = await provider.launch(request, "token-1")
        (sent,) = world.account.launches
        assert sent["InstanceInitiatedShutdownBehavior"] == "terminate"
        assert sent["MetadataOptions.HttpTokens"] == "required"
        assert sent["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] == "true"
        assert sent["BlockDeviceMapping.1.Ebs.VolumeSize"] == "77"
        assert sent["InstanceMarketOptions.SpotOptions.MaxPrice"] == "0.050000"
        assert sent["InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior"] == "terminate"
        assert base64.b64decode(sent["UserData"]) == b"#cloud-config\n{}\n"
        tagged = {v for k, v in sent.items() if k.startswith("TagSpecification.") and k.endswith(".ResourceType")}
        assert tagged == {"instance", "volume", "network-interface", "spot-instances-request"}
        await provider.terminate(made.provider_id)

    run(scenario())


def test_a_purchase_is_sent_once_however_it_is_refused(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider, request = world.provider(), world.request()
        world.exhaust(request)
        await refused(provider.launch(request, "token-1"))
        assert world.calls().count("ec2:RunInstances") == 1
        await provider.sweep(cluster_tags([request]))

    run(scenario())


def test_the_best_network_is_an_efa_in_a_group_that_is_open_to_itself(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(world.request(network_tier="best"), "token-1")
        (sent,) = world.account.launches
        assert sent["NetworkInterface.1.InterfaceType"] == "efa"
        (group,) = rules.backend("us-east-1").describe_security_groups(
            group_ids=[sent["NetworkInterface.1.SecurityGroupId.1"]]
        )
        for there in (group.ingress_rules, group.egress_rules):
            assert [r.ip_protocol for r in there if r.source_group.get("GroupId") == group.id] == ["-1"]
        await provider.terminate(made.provider_id)

    run(scenario())


def test_an_instance_stands_in_the_zone_it_was_asked_for(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        names = {z.zone_id: z.name for z in rules.backend("us-east-1").describe_availability_zones()}
        for number, zone in enumerate(("use1-az1", "use1-az6", "us-east-1b")):
            made = await provider.launch(world.request(f"i-{number}", offer=offer(zone=zone)), f"token-{number}")
            (instance,) = [i for i in rules.all_instances("us-east-1") if i.id in made.provider_id]
            assert instance.placement.zone == names.get(zone, zone)
            await provider.terminate(made.provider_id)
        error = await refused(provider.launch(world.request(offer=offer(zone="use1-az99")), "token-x"))
        assert error.code == "NoSubnet"

    run(scenario())


def test_a_regional_offer_is_resolved_to_zones_that_sell_the_type(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        zones = await provider.zones(offer(zone="", instance_type="c5.large"))
        assert zones == sorted(zones)
        assert "use1-az1" in zones
        assert await provider.zones(offer(zone="use1-az1")) == ["use1-az1"]
        made = await provider.launch(world.request(offer=offer(zone="")), "token-1")
        await provider.terminate(made.provider_id)

    run(scenario())


def test_a_failure_after_acceptance_is_a_refusal(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider, request = world.provider(), world.request()
        world.account.late_failures.append("Server.InsufficientInstanceCapacity")
        error = await refused(provider.launch(request, "token-1"))
        assert provider.classify(error).kind == "capacity"
        (ended,) = await provider.describe(own(request))
        assert ended.state == "TERMINATED"
        await provider.terminate(ended.provider_id)

    run(scenario())


def test_the_same_token_with_a_newer_image_finds_what_was_bought(world: AwsWorld) -> None:
    async def scenario() -> None:
        request = world.request()
        first = await world.provider().launch(request, "token-1")
        world.account.images.clear()  # a new build was published between the two calls
        again = await world.provider().launch(request, "token-1")
        assert again.provider_id == first.provider_id
        assert world.live() == 1
        await world.provider().terminate(first.provider_id)

    run(scenario())


def test_without_a_default_vpc_the_mending_command_is_named(world: AwsWorld) -> None:
    async def scenario() -> None:
        backend = rules.backend("us-east-1")
        for vpc in backend.vpcs.values():
            vpc.is_default = "false"
        provider = world.provider()
        error = await refused(provider.launch(world.request(), "token-1"))
        assert error.code == "NoDefaultVpc"
        assert "create-default-vpc" in provider.classify(error).why

    run(scenario())


def test_a_type_not_sold_in_a_zone_lets_other_zones_be_tried(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider, request = world.provider(), world.request()
        names = {z.zone_id: z.name for z in rules.backend("us-east-1").describe_availability_zones()}
        world.account.not_offered.add((names["use1-az1"], "c5.large"))
        blocked = provider.classify(await refused(provider.launch(request, "token-1")))
        assert (blocked.kind, blocked.scope) == ("capacity", "type")
        await provider.sweep(cluster_tags([request]))

    run(scenario())


def test_a_region_that_is_not_enabled_is_named(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        world.account.disabled_regions.add("eu-west-1")
        error = await refused(provider.launch(world.request(offer=offer("eu-west-1", "euw1-az1")), "token-1"))
        blocked = provider.classify(error)
        assert (blocked.kind, blocked.scope) == ("permission", "region")
        assert "enable-region" in blocked.why

    run(scenario())


def test_a_group_removed_by_another_daemon_is_made_again(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        first = await provider.launch(world.request("i-1"), "token-1")
        await world.provider().terminate(first.provider_id)  # this one does not hear of the group's end
        second = await provider.launch(world.request("i-2"), "token-2")
        await provider.terminate(second.provider_id)

    run(scenario())


def test_two_owners_clusters_of_one_name_have_their_own_groups(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        mine, theirs = world.request("i-1"), world.request("i-2")
        theirs = type(theirs)(
            **{
                **{f: getattr(theirs, f) for f in theirs.__struct_fields__},
                "tags": {**theirs.tags, "tradewind-owner": "another"},
            }
        )
        made = [await provider.launch(r, r.instance_id) for r in (mine, theirs)]
        groups = [
            g for some in rules.backend("us-east-1").groups.values() for g in some.values() if g.name != "default"
        ]
        assert len(groups) == 2
        await asyncio.gather(*(provider.terminate(i.provider_id) for i in made))

    run(scenario())


def test_ssh_is_open_and_the_runtime_only_among_the_nodes(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(world.request(ssh_cidrs=("203.0.113.0/24", "2001:db8::/32")), "token-1")
        (group,) = [
            g for some in rules.backend("us-east-1").groups.values() for g in some.values() if g.name != "default"
        ]
        rules_in = [
            r
            for r in rules.backend("us-east-1").describe_security_group_rules([], {"group-id": [group.id]})
            if not r.is_egress
        ]
        seen = {
            (str(r.from_port), str(r.to_port), (r.ip_range or r.source_group)[key])
            for r in rules_in
            for key in (r.ip_range or r.source_group)
            if key in {"CidrIp", "CidrIpv6", "GroupId"}
        }
        assert seen == {("22", "22", "203.0.113.0/24"), ("22", "22", "2001:db8::/32"), ("0", "65535", group.id)}
        await provider.terminate(made.provider_id)

    run(scenario())


def test_many_regions_are_asked_at_once_and_a_silent_one_is_not_taken_for_empty(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        await provider.describe({"tradewind-owner": "nobody"})
        world.slow(0.4)
        started = time.monotonic()
        await provider.describe({"tradewind-owner": "nobody"})
        assert time.monotonic() - started < 0.75
        world.slow(0)
        world.account.disabled_regions.add("eu-west-1")
        assert await provider.describe({"tradewind-owner": "nobody"}) == [], "nothing can stand where nothing may"
        world.account.denied.add("ec2:DescribeInstances")
        with pytest.raises(ProviderError):
            await provider.describe({"tradewind-owner": "nobody"})

    run(scenario())


def test_disk_labels_and_ports_are_as_asked_and_an_image_that_is_none_blocks_nobody_for_long(world: AwsWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(
            world.request(disk_gib=77, disk_tier="high", labels={"team": "weather"}), "token-1"
        )
        (sent,) = world.account.launches
        assert sent["BlockDeviceMapping.1.Ebs.Iops"] == "7000"
        tags = {
            sent[k]: sent[k.removesuffix("Key") + "Value"]
            for k in sent
            if k.startswith("TagSpecification.1.") and k.endswith("Key")
        }
        assert tags["team"] == "weather"
        await provider.open_ports([made.provider_id], [8000, 8001, 8002])
        await provider.open_ports([made.provider_id], [8001])
        await provider.terminate(made.provider_id)
        error = await refused(provider.launch(world.request(image="ami-00000000000000000"), "token-2"))
        assert error.code == "NotAsAsked"
        assert "image_id ami-00000000000000000 cannot be booted in us-east-1" in error.message
        assert provider.classify(error).until_unix - time.time() <= 60

    run(scenario())
