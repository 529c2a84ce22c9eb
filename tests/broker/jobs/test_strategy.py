"""Where a job that lost its place looks for the next."""

from __future__ import annotations

from tests.broker.harness import offer, ranked, task
from tradewind.broker.jobs.strategy import eager, failover
from tradewind.broker.provider import Blocked
from tradewind.broker.provision.failover import as_place, block_for_loss, block_for_refusal
from tradewind.spec.task import Infra, Resources, Task

NOW = 1000.0
LOST = block_for_loss(offer("a"), use_spot=True, why="taken", cluster_id=None, now=NOW)
REFUSED = block_for_refusal(
    offer("b"), use_spot=True, refused=Blocked(kind="capacity", scope="zone", why="full", until_unix=0.0),
    cluster_id=None, now=NOW,
)  # fmt: skip


def withouts(tries):
    return [each.without for each in tries]


def test_eager_leaves_what_was_lost_first():
    assert withouts(eager(task(), None, [])) == [()]
    assert withouts(eager(task(), None, [REFUSED])) == [(as_place(REFUSED),)]
    assert withouts(eager(task(), None, [LOST, REFUSED])) == [(as_place(LOST), as_place(REFUSED)), (as_place(REFUSED),)]


def test_failover_looks_in_the_same_region_first_and_then_anywhere():
    tries = failover(task(), ranked(offer("a")), [LOST])
    assert [each.task.resources[0].infra for each in tries] == [Infra("aws", "r1")] * 2 + [Infra()] * 2
    assert withouts(tries) == [(as_place(LOST),), ()] * 2


def test_failover_goes_nowhere_that_the_task_does_not_allow():
    there = Task(run="x", resources=(Resources(infra=Infra("gcp")), Resources(infra=Infra("aws", None, "a"))))
    near = failover(there, ranked(offer("a")), [])[0].task
    assert [one.infra for one in near.resources] == [Infra("aws", "r1", "a")]
    elsewhere = Task(run="x", resources=(Resources(infra=Infra("gcp")),))
    assert [each.task for each in failover(elsewhere, ranked(offer("a")), [])] == [elsewhere]
