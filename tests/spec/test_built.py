"""What is valid and not there yet is told by name."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.spec.corpus import TASKS
from tests.spec.reading import read
from tradewind.spec import SpecError, not_built, refuse_unbuilt
from tradewind.spec.built import UNBUILT_FIELDS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("service: {replicas: 1}", "service: services are not there yet; remove the field to go on without"),
        ("file_mounts: {/a: s3://b}", "file_mounts: buckets and URLs are not there yet; name a local file or directory"),
        ("resources: {volumes: [{path: /m, name: d}]}", "resources.volumes: attached disks are not there yet; remove the field to go on without"),
        ("resources: {image_id: 'docker:x'}", "resources.image_id: containers are not there yet; name a machine's image, or install in `setup`"),
        ("resources: {infra: k8s/x}", "resources.infra: kubernetes is not there yet; name a cloud, or local for this machine"),
        ("config: {docker: {run_options: x}}", "config.docker: settings of one task are not there yet; remove the field to go on without"),
        ("config: {kubernetes: {enable_docker: true}}", "config.kubernetes: settings of one task are not there yet; remove the field to go on without"),
        ("_metadata: {a: 1}", "_metadata: is a note of SkyPilot's to itself; remove it"),
        ("resources: {_requires_fuse: true}", "resources._requires_fuse: is a note of SkyPilot's to itself; remove it"),
        ("secrets: ['secrets:personal.A']", "managed_secrets: secrets held by a server are not there yet; use `secrets` and --secret"),
        ("resources: {job_recovery: {strategy: DYNAMIC_NODE_SET, min_nodes: 1}}", "resources.job_recovery: sets of nodes that change are not there yet; `elastic: true` goes on with the nodes that are left"),
        ("resources: {job_recovery: {min_nodes: 2}}", "resources.job_recovery.min_nodes: a least number of nodes is not there yet; `elastic: true` goes on with whatever is left"),
        ("engine: ray", "engine: the engine ray is not there yet; remove the field to run on tradewind's own"),
    ],
)  # fmt: skip
def test_one_sentence_each(text: str, sentence: str) -> None:
    task = read(text + "\n")
    assert not_built(task) == (sentence,)
    with pytest.raises(SpecError) as caught:
        refuse_unbuilt(task)
    assert str(caught.value) == f"t.yaml: {sentence}"


def test_a_secrets_value_in_the_file_is_no_part_of_the_task() -> None:
    task = read("secrets: {A: x}\nrun: y\n")
    assert not_built(task) == ()
    assert [said.partition(":")[0] for said in not_built(task, "launch")] == ["secrets.A"]


def test_what_all_alternatives_ask_is_told_once() -> None:
    task = read("resources: {volumes: [{path: /m, name: d}], any_of: [{cpus: 1}, {cpus: 2, image_id: 'docker:x'}]}\n")
    assert [sentence.partition(":")[0] for sentence in not_built(task)] == [
        "resources.volumes",
        "resources.any_of[1].image_id",
    ]


def test_what_is_built_passes() -> None:
    task = read(
        "name: a\nworkdir: /\nnum_nodes: 2\nenvs: {A: 1}\nfile_mounts: {/a: /etc}\nbudget: 3\ncheckpoint: s3://b/c\nsecrets: {B: null}\nrun_on: head\n"
        "elastic: false\nengine: tradewind\nresources: {use_spot: true, priority: 3, job_recovery: failover, autostop: 10, ordered: [{infra: aws}, {infra: gcp}]}\n"
    )
    assert not_built(task, "plan") == not_built(task, "job") == ()
    assert [sentence.partition(":")[0] for sentence in not_built(task, "launch")] == [
        "checkpoint",
        "budget",
    ]
    refuse_unbuilt(read("run: x\n"), "launch")
    built = "ports: 80, disk_size: 5, disk_tier: high, network_tier: best, local_disk: nvme, network_speed: 25, features: [efa], labels: {a: b}, gpus: 80GB+, infra: gcp, image_id: {us-east1: x}"
    assert not_built(read(f"resources: {{{built}, autostop: {{wait_for: none}}}}\n"), "launch") == ()


def test_resources_do_not_matter_to_a_job_on_machines_that_are_there() -> None:
    assert not_built(read("resources: {volumes: [{path: /m, name: d}], infra: k8s, priority_class: x}\n"), "exec") == ()
    assert not_built(read("volumes: {/v: data}\n"), "exec")


@pytest.mark.parametrize("field", sorted(UNBUILT_FIELDS))
def test_fields_marked_in_the_page_are_refused(field: str) -> None:
    from tests.spec.corpus import RESOURCES

    inner = field.removeprefix("resources.")
    forms = TASKS[field] if inner == field else RESOURCES[inner]
    for form in forms:
        text = f"{field}: {form}\n" if inner == field else f"resources: {{{inner}: {form}}}\n"
        assert any(sentence.startswith(field) for sentence in not_built(read(text))), text


def test_the_hooks_on_the_page_of_clusters_are_there() -> None:
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "clusters.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    task = read(shown)
    assert not_built(task) == ()
    assert [hook.events for hook in task.config.hooks] == [("preemption",)]
