"""Disks, network, ports, image, labels, autostop: what is read, and how it is refused."""

from __future__ import annotations

import pytest

from tests.spec.reading import read, refusal
from tradewind.spec import Resources
from tradewind.spec.machine import AcceleratorArgs, AttachedDisk, Autostop, Image, LocalDisk, PortRange


def one(text: str) -> Resources:
    (resources,) = read(f"resources: {text}\n").resources
    return resources


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", (PortRange(80, 80),)),
        ("8000-8010", (PortRange(8000, 8010),)),
        ("'443, 80,81'", (PortRange(80, 81), PortRange(443, 443))),
        ("[90-100, 95-120, 121, '123']", (PortRange(90, 121), PortRange(123, 123))),
    ],
)
def test_ports_are_in_order_and_apart(text: str, ports: tuple[PortRange, ...]) -> None:
    assert one(f"{{ports: {text}}}").ports == ports


@pytest.mark.parametrize(("text", "size"), [("256", 256), ("'300'", 300), ("1TB", 1024), ("2048MB", 2), ("100gb", 100)])
def test_disk_size_is_in_gigabytes(text: str, size: int) -> None:
    assert one(f"{{disk_size: {text}}}").disk_size == size
    assert one(f"{{ephemeral_storage: {text}}}").disk_size == size


@pytest.mark.parametrize(
    ("text", "disk"),
    [
        ("nvme", LocalDisk("nvme")),
        ("NVME:500+", LocalDisk("nvme", 500, at_least=True)),
        ("ssd:300", LocalDisk("ssd", 300)),
        ("500", LocalDisk(None, 500)),
    ],
)
def test_local_disk(text: str, disk: LocalDisk) -> None:
    assert one(f"{{local_disk: '{text}'}}").local_disk == disk


@pytest.mark.parametrize(("text", "gbps"), [("25", 25), ("25+", 25), ("2.5 Gbps", 2.5), ("100Gbit/s", 100)])
def test_network_speed(text: str, gbps: float) -> None:
    assert one(f"{{network_speed: '{text}'}}").network_gbps == gbps


def test_features_are_in_order_and_once() -> None:
    assert one("{features: [nested_virtualization, EFA, efa]}").features == ("efa", "nested_virtualization")
    assert one("{features: efa}").features == ("efa",)


def test_images() -> None:
    assert one("{infra: aws/us-east-1, image_id: ami-1}").image == Image("ami-1")
    assert one("{image_id: 'docker:a/b:1'}").image == Image(docker="a/b:1")
    assert one("{infra: gcp, image_id: {null: x}}").image == Image("x")
    assert one("{image_id: {}}").image is None
    assert one("{infra: gcp, image_id: {r2: b, r1: a, docker: c}}").image == Image(
        None, "c", (("r1", "a"), ("r2", "b"))
    )


def test_labels_of_an_alternative_are_added_to_those_beside_it() -> None:
    task = read("resources: {labels: {a: x, b: x}, any_of: [{labels: {b: y}}, {cpus: 1}]}\n")
    assert [dict(each.labels) for each in task.resources] == [{"a": "x", "b": "y"}, {"a": "x", "b": "x"}]


def test_disks_and_arguments_of_accelerators() -> None:
    assert one("{volumes: [{path: /m, disk_size: 1TB, disk_tier: HIGH, storage_type: instance}]}").volumes == (
        AttachedDisk("/m", None, 1024, "high", storage_type="instance"),
    )
    assert one("{accelerator_args: {tpu_vm: false}}").accelerator_args == AcceleratorArgs(tpu_vm=False)


@pytest.mark.parametrize(
    ("text", "autostop"),
    [
        ("true", Autostop(0)),
        ("false", None),
        ("-1", None),
        ("0", Autostop(0)),
        ("'30'", Autostop(30)),
        ("1w", Autostop(7 * 24 * 60)),
        ("{idle_minutes: 3, wait_for: JOBS}", Autostop(3, wait_for="jobs")),
    ],
)
def test_autostop(text: str, autostop: Autostop | None) -> None:
    assert read(f"resources: {{autostop: {text}}}\n").autostop == autostop


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{ports: 70000}", "ports: '70000' is no port; write 8080, 8000-8010 or a list, from 1 to 65535"),
        ("{ports: 90-80}", "ports: '90-80' is no port; write 8080, 8000-8010 or a list, from 1 to 65535"),
        ("{ports: {a: 1}}", "ports: must be a number or text, not a mapping"),
        ("{disk_size: 1.5}", "disk_size: '1.5' is no size of a disk; write 256 (GB) or 1TB"),
        ("{disk_size: 10+}", "disk_size: '10+' is no size of a disk; write 256 (GB) or 1TB"),
        ("{disk_tier: hihg}", "disk_tier: 'hihg' is none of low, medium, high, ultra, best; did you mean 'high'?"),
        ("{network_tier: fast}", "network_tier: 'fast' is none of standard, best"),
        ("{local_disk: hdd}", "local_disk: 'hdd' is no local disk; write nvme, ssd:300 or nvme:500+ (GB)"),
        ("{network_speed: fast}", "network_speed: 'fast' is no speed of a network; write 25 or 25+ (Gbit/s, at least)"),
        ("{network_speed: 0}", "network_speed: '0' is out of range; it must be above 0"),
        ("{features: [efa, eta]}", "features: 'eta' is none of bare_metal, efa, infiniband, nested_virtualization, tier_1; did you mean 'efa'?"),
        ("{image_id: {a: 'docker:x', docker: y}}", "image_id: names a container under `docker` and another under a region; keep one"),
        ("{image_id: 'docker:'}", "image_id: must not be empty"),
        ("{labels: {a: 1}}", "labels.a: must be text, not a number; quote it"),
        ("{volumes: {path: /m}}", "volumes: must be a list of disks, not a mapping"),
        ("{volumes: [{pth: /m}]}", "volumes[0]: needs a `path`"),
        ("{volumes: [{path: /m}]}", "volumes[0]: needs a `name`; a disk of the machine itself is `storage_type: instance`"),
        ("{autostop: 5x}", "autostop: '5x' is no length of time; write minutes, or 2h, 1d or 1w"),
        ("{autostop: {idle_minutes: -1}}", "autostop.idle_minutes: must be from 0 to 10000000"),
        ("{autostop: {wait_for: all}}", "autostop.wait_for: 'all' is none of jobs, jobs_and_ssh, none"),
        ("{accelerator_args: {tpu: x}}", "accelerator_args.tpu: unknown field; did you mean 'tpu_vm'?"),
    ],
)  # fmt: skip
def test_refusals(text: str, sentence: str) -> None:
    assert refusal(f"resources: {text}\n") == f"t.yaml:1: resources.{sentence}"


def test_flags_for_them() -> None:
    text = "resources: {ports: 1, disk_size: 5, any_of: [{disk_tier: low}, {disk_tier: high}]}\n"
    task = read(text, ports=("80", "90-91"), disk_size="1TB", disk_tier="best", image_id="docker:x")
    for each in task.resources:
        assert (each.ports, each.disk_size, each.disk_tier) == ((PortRange(80, 80), PortRange(90, 91)), 1024, "best")
        assert each.image == Image(docker="x")
    assert read(text, ports=("none",)).resources[0].ports == ()
