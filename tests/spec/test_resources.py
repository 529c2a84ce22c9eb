"""`resources:` with SkyPilot's meaning."""

from __future__ import annotations

import pytest

from tests.spec.reading import read, refusal
from tradewind.spec import AcceleratorRequest, Infra, Quantity, Resources


def one(text: str) -> Resources:
    (resources,) = read(f"resources: {text}\n").resources
    return resources


def test_nothing_named_is_nothing_limited() -> None:
    assert read("run: a\n").resources == (Resources(),)
    assert read("resources:\nrun: a\n").resources == (Resources(),)
    assert one("{cpus: null, infra: null, any_of: null, ports: null, ordered: null, autostop: null}") == Resources()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("AWS", Infra("aws")),
        ("aws/us-east-1", Infra("aws", "us-east-1")),
        ("aws/us-east-1/use1-az1", Infra("aws", "us-east-1", "use1-az1")),
        ("'*'", Infra()),
        ("'*/us-east-1'", Infra(None, "us-east-1")),
        ("aws/*/use1-az1", Infra("aws", None, "use1-az1")),
        ("local", Infra("local")),
        ("k8s/my/context/x", Infra("kubernetes", "my/context/x")),
        ("ssh/desks", Infra("ssh", "desks")),
        ("SLURM", Infra("slurm")),
        ("Lambda", Infra("lambda")),
        ("my-own", Infra("my-own")),
    ],
)
def test_infra(text: str, place: Infra) -> None:
    assert one(f"{{infra: {text}}}").infra == place


def test_the_old_form_of_a_place() -> None:
    assert one("{cloud: GCP, region: us-east1, zone: us-east1-b}").infra == Infra("gcp", "us-east1", "us-east1-b")


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("A100", (("A100", 1),)),
        ("A100:8", (("A100", 8),)),
        ("{A100: 8, H100: 4}", (("A100", 8), ("H100", 4))),
        ("{A100:8, H100:4}", (("A100", 8), ("H100", 4))),
        ("{T4: 0.5}", (("T4", 0.5),)),
        ("{T4: null}", (("T4", 1),)),
        ("[A100:8]", (("A100", 8),)),
    ],
)
@pytest.mark.parametrize("field", ["accelerators", "gpus"])
def test_accelerators_in_every_form(field: str, text: str, requests: tuple[tuple[str, float], ...]) -> None:
    assert one(f"{{{field}: {text}}}").accelerators == tuple(AcceleratorRequest(*request) for request in requests)


def test_the_rest() -> None:
    text = "{cpus: 4+, memory: 16GB, instance_type: m5.large, use_spot: true, arch: arm64, burstable: true, max_hourly_cost: 1.5}"
    assert one(text) == Resources(
        cpus=Quantity(4, at_least=True),
        memory=Quantity(16),
        instance_type="m5.large",
        use_spot=True,
        arch="arm64",
        burstable=True,
        max_hourly_cost=1.5,
    )


def test_alternatives_inherit_the_base() -> None:
    task = read(
        "resources:\n  cpus: 4\n  infra: aws\n  accelerators: T4\n  any_of:\n"
        "  - use_spot: true\n  - {infra: gcp, cpus: 8+}\n  - {gpus: L4}\n"
    )
    assert task.resources == (
        Resources(Infra("aws"), Quantity(4), accelerators=(AcceleratorRequest("T4"),), use_spot=True),
        Resources(Infra("gcp"), Quantity(8, at_least=True), accelerators=(AcceleratorRequest("T4"),)),
        Resources(Infra("aws"), Quantity(4), accelerators=(AcceleratorRequest("L4"),)),
    )


def test_a_list_of_accelerators_is_an_order() -> None:
    task = read("resources: {gpus: [A100:8, H100:4], cpus: 8+}\n")
    assert task.ordered
    assert [each.accelerators for each in task.resources] == [
        (AcceleratorRequest("A100", 8),),
        (AcceleratorRequest("H100", 4),),
    ]
    assert {each.cpus for each in task.resources} == {Quantity(8, at_least=True)}


def test_ordered_alternatives_inherit_too() -> None:
    task = read("resources: {use_spot: true, ordered: [{infra: aws}, {infra: gcp}]}\n")
    assert task.ordered
    assert task.resources == (Resources(Infra("aws"), use_spot=True), Resources(Infra("gcp"), use_spot=True))
    assert not read("resources: {ordered: [{infra: aws}]}\n").ordered


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("80GB+", AcceleratorRequest("", 1, Quantity(80, at_least=True))),
        ("NVIDIA:40GB+:2", AcceleratorRequest("NVIDIA", 2, Quantity(40, at_least=True))),
        ("{'NVIDIA:40GB': 2}", AcceleratorRequest("NVIDIA", 2, Quantity(40))),
    ],
)
def test_accelerators_by_their_memory(text: str, request_: AcceleratorRequest) -> None:
    assert one(f"{{gpus: {text}}}").accelerators == (request_,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{acelerators: A100}", "resources.acelerators: unknown field; did you mean 'accelerators'?"),
        ("{use-spot: true}", "resources.use-spot: unknown field; did you mean 'use_spot'?"),
        ("{ordered: [{cpus: 1}], any_of: [{cpus: 2}]}", "resources.ordered: any_of is given too; keep one of the two"),
        (
            "{ordered: [{gpus: {T4: 1, L4: 1}}]}",
            "resources.ordered[0].gpus: names several; an alternative names one, so write an alternative for each",
        ),
        ("{run: a}", "resources.run: belongs to the task itself, not under resources"),
        ("{cpus: [4]}", "resources.cpus: must be a number or text, not a list"),
        ("{cpus: true}", "resources.cpus: must be a number or text, not true or false"),
        ("{use_spot: 'true'}", "resources.use_spot: must be true or false, not text"),
        ("{arch: amd64}", "resources.arch: 'amd64' is none of x86_64, arm64, any; did you mean 'arm64'?"),
        ("{max_hourly_cost: -1}", "resources.max_hourly_cost: must be a number above 0"),
        ("{max_hourly_cost: .nan}", "resources.max_hourly_cost: must be a number above 0"),
        ("{instance_type: 5}", "resources.instance_type: must be text, not a number; quote it"),
        (
            "{infra: a/b/c/d}",
            "resources.infra: 'a/b/c/d' is no place; write cloud, cloud/region or cloud/region/zone, with * for any",
        ),
        (
            "{infra: aws//x}",
            "resources.infra: 'aws//x' is no place; write cloud, cloud/region or cloud/region/zone, with * for any",
        ),
        ("{infra: k8s/}", "resources.infra: 'k8s/' names nothing after the slash; write k8s, or k8s/NAME"),
        ("{infra: azur}", "resources.infra: 'azur' is no cloud; did you mean 'azure'?"),
        ("{cloud: Lamda}", "resources.cloud: 'Lamda' is no cloud; did you mean 'lambda'?"),
        ("{infra: aws, region: x}", "resources.region: infra already says where; keep one of the two"),
        ("{gpus: T4, accelerators: T4}", "resources.gpus: means accelerators, which is given too; keep one of the two"),
        ("{gpus: {}}", "resources.gpus: names no accelerator; remove the field when none is needed"),
        (
            "{gpus: {A100:8: 2}}",
            "resources.gpus.A100:8: 'A100:8:2' is no accelerator; write a name and a count, such as A100:8",
        ),
        ("{gpus: [A100, {}]}", "resources.gpus: must be text, not a mapping"),
        ("{any_of: aws}", "resources.any_of: must be a list of alternatives, not text"),
        ("{any_of: [{any_of: [{cpus: 1}]}]}", "resources.any_of[0].any_of: alternatives cannot be nested"),
        ("{any_of: [{cpus: 1}, {cpu: 2}]}", "resources.any_of[1].cpu: unknown field; did you mean 'cpus'?"),
        ("[1]", "resources: must be a mapping of names to values, not a list"),
    ],
)
def test_refusals(text: str, sentence: str) -> None:
    assert refusal(f"resources: {text}\n") == f"t.yaml:1: {sentence}"
