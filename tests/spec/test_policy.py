"""How a managed job is run: job_recovery, priority, budget, secrets."""

from __future__ import annotations

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tradewind.spec import JobRecovery, Task, normal_form
from tradewind.spec.storage import ManagedSecret

from .reading import read, refusal


@pytest.mark.parametrize(
    ("text", "recovery"),
    [
        ("eager", JobRecovery()),
        ("EAGER_NEXT_REGION", JobRecovery()),
        ("FAILOVER", JobRecovery(strategy="failover")),
        ("none", JobRecovery()),
        ("{max_restarts_on_errors: 3}", JobRecovery(max_restarts_on_errors=3)),
        ("{strategy: failover, recover_on_exit_codes: 29}", JobRecovery("failover", 0, (29,))),
        ("{strategy: null, recover_on_exit_codes: [33, 34]}", JobRecovery("eager", 0, (33, 34))),
    ],
)
def test_job_recovery(text: str, recovery: JobRecovery) -> None:
    assert read(f"run: x\nresources: {{job_recovery: {text}}}\n").job_recovery == recovery


@pytest.mark.parametrize(
    ("text", "usd"), [("20", 20.0), ("20 USD", 20.0), ("$0.5", 0.5), ("1.5usd", 1.5), ("1e-05", 1e-5)]
)
def test_budget(text: str, usd: float) -> None:
    assert read(f"run: x\nbudget: {text}\n").budget_usd == usd
    assert read("run: x\n", budget=text).budget_usd == usd


def test_secrets_are_names_alone() -> None:
    assert read("run: x\nsecrets: ['secrets:A', 'secrets:B', 'secrets:A']\n").secrets == ("A", "B")
    assert read("run: x\nsecrets: {A: null, B: }\n").secrets == ("A", "B")
    assert read("run: x\nsecrets: {A: }\n", secrets=("B",)).secrets == ("A", "B")
    assert read("run: x\nsecrets: ['secrets:A']\n", secrets=("B", "A")).secrets == ("A", "B")
    assert read("run: x\n", secrets=("B",)).secrets == ("B",)
    assert read("run: x\nenvs: {A: x}\nsecrets: ['secrets:A', 'secrets:A']\n").secrets == ("A",)


def test_the_value_of_a_secret_in_the_file_is_not_kept() -> None:
    task = read("run: x\nsecrets: {A: hunter22, B: null}\n")
    assert (task.secrets, task.inline_secrets) == (("B",), ("A",))
    assert "hunter22" not in repr(task)
    assert read(yaml.safe_dump(normal_form(task))) == task


def test_secrets_held_elsewhere() -> None:
    found = read(
        "secrets: ['secrets:personal.A']\nmanaged_secrets: [A, {B: {mount_path: /run/b}}, {}, global.C]\n"
    ).managed_secrets
    assert found == (
        ManagedSecret("A", None, "personal"),
        ManagedSecret("A"),
        ManagedSecret("B", "/run/b"),
        ManagedSecret("C", None, "global"),
    )


def test_alternatives_may_repeat_what_holds_for_all() -> None:
    task = read(
        "resources: {priority: 3, any_of: [{cpus: 1, job_recovery: failover}, {cpus: 2, job_recovery: FAILOVER}]}\n"
    )
    assert (task.priority, task.job_recovery.strategy) == (3, "failover")


def test_what_is_beside_any_of_holds_for_all() -> None:
    task = read("run: x\nresources:\n  any_of: [{cpus: 1}, {cpus: 2}]\n  priority: -5\n  job_recovery: failover\n")
    assert (task.priority, task.job_recovery.strategy, len(task.resources)) == (-5, "failover", 2)
    assert read("run: x\nresources: {priority: 3}\n", priority=7).priority == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resources: {job_recovery: eagr}", "resources.job_recovery: 'eagr' is none of eager, failover, deadline; did you mean 'eager'?"),
        ("resources: {job_recovery: {strategi: eager}}", "resources.job_recovery.strategi: unknown field; did you mean 'strategy'?"),
        ("resources: {job_recovery: {recover_on_exit_codes: [300]}}", "resources.job_recovery.recover_on_exit_codes: must be from 0 to 255"),
        ("resources: {job_recovery: {max_restarts_on_errors: -1}}", "resources.job_recovery.max_restarts_on_errors: must be from 0 to 1000000"),
        ("resources: {priority: 1001}", "resources.priority: must be from -1000 to 1000"),
        ("resources: {any_of: [{priority: 1}, {cpus: 2}]}", "resources.any_of[1].priority: must be the same in all alternatives; write it beside them"),
        ("priority: 1", "priority: belongs to resources"),
        ("budget: 20 EUR", "budget: '20 EUR' is no amount of money above 0; write 20 or 20 USD"),
        ("budget: -3", "budget: '-3' is no amount of money above 0; write 20 or 20 USD"),
        ("secrets: {'secrets:TOKEN': a}", "secrets.secrets:TOKEN: is held elsewhere and can have no value here; remove one, or the `secrets:`"),
        ("resources: {job_recovery: {recover_on_exit_codes: [33, 33]}}", "resources.job_recovery.recover_on_exit_codes: names a code twice; keep one"),
        ("secrets: [TOKEN]", "secrets: 'TOKEN' is no item of this list; write secrets:TOKEN, or a map: {TOKEN: null}"),
        ("envs: {SKYPILOT_DOCKER_USERNAME: a}", "envs: SKYPILOT_DOCKER_USERNAME needs SKYPILOT_DOCKER_PASSWORD, SKYPILOT_DOCKER_SERVER beside it"),
        ("managed_secrets: {A: 1}", "managed_secrets: must be a list of names, not a mapping"),
        ("managed_secrets: [{A: {mount: /x}}]", "managed_secrets[0].A.mount: unknown field; did you mean 'mount_path'?"),
        ("secrets: ['secrets:A-B']", "secrets.A-B: is no name for a variable: letters, digits and _ only"),
        ("secrets: 5", "secrets: must be a list of names, not a number"),
    ],
)  # fmt: skip
def test_refusals(text: str, sentence: str) -> None:
    assert refusal(f"{text}\n") == f"t.yaml:1: {sentence}"


@given(
    st.builds(
        Task,
        job_recovery=st.builds(
            JobRecovery,
            st.sampled_from(["eager", "failover"]),
            st.integers(0, 9),
            st.lists(st.integers(0, 255), unique=True, max_size=3).map(tuple),
        ),
        priority=st.integers(-1000, 1000),
        budget_usd=st.none() | st.floats(1e-6, 1e6),
        secrets=st.lists(st.sampled_from(["A", "B"]), unique=True).map(tuple),
        run=st.just("x"),
    )
)
def test_the_normal_form_reads_back(task: Task) -> None:
    again = read(yaml.safe_dump(normal_form(task)))
    assert msgspec.structs.replace(again, source=None) == task


def test_a_secrets_value_in_the_file_is_put_into_its_paths() -> None:
    task = read("envs: {A: nowhere}\nsecrets: {A: etc}\nfile_mounts: {/a: /$A}\nrun: x\n")
    assert [mount.source for mount in task.file_mounts] == ["/etc"]
