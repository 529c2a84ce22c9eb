"""The rest of the command line in Python: secrets, ports, why, arrays, accelerators, doctor; blocking and on an event loop."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

import tradewind as tw

pytestmark = pytest.mark.end_to_end

HERE = tw.Resources(infra="local", ports="8765", labels={"team": "weather"})
SPOT = tw.Resources(cpus="2+", use_spot=True)


def test_secrets_ports_and_reasons_of_a_cluster(data: pathlib.Path) -> None:
    hush = tw.Task("hush", run="echo $TOKEN ${#TOKEN}", secrets=["TOKEN"], resources=HERE)
    with pytest.raises(tw.Refused, match="TOKEN were not given"):
        tw.launch(hush, "more")
    done = tw.launch(hush, "more", secrets={"TOKEN": "correcthorse"})
    assert list(tw.logs(done.cluster, done.job_id)) == ["************ 12\n"]
    again = tw.exec("more", hush, secrets={"TOKEN": "batterystaple"})
    assert list(tw.logs(again.cluster, again.job_id)) == ["************* 13\n"]
    (seen,) = tw.status("more")
    assert (seen.ports, seen.labels) == ((8765,), {"team": "weather"})
    (where,) = tw.ports("more")
    assert where.endswith(":8765")
    assert tw.ports("more", 9000) == (where.replace("8765", "9000"),)
    told = tw.why("more")
    assert (told.subject, told.state, told.waiting_for) == ("cluster/more", "UP", "")
    assert asyncio.run(tw.aio.why("more")) == told
    tw.autostop("more", 60, wait_for="jobs")
    with pytest.raises(tw.Refused):
        tw.ssh_command("more", "true", rank=7)
    tw.down("more")
    with pytest.raises(tw.NotFound):
        tw.why("nothing of that name")


def test_an_array_runs_and_a_job_is_paused_and_resumed(data: pathlib.Path) -> None:
    task = tw.Task("grid", run="echo lr $LR", resources=SPOT)
    number = tw.jobs.launch_array(task, [{"LR": "0.1"}, {"LR": "0.2"}], max_active=1, rehearse=True)
    for job in tw.jobs.array_jobs(number):
        assert tw.jobs.wait(job.id, timeout_s=60).succeeded
    grid = tw.jobs.array(number)
    assert (grid.size, grid.ended, grid.succeeded, grid.states) == (2, 2, 2, {"SUCCEEDED": 2})
    assert tw.jobs.cancel_array(number) == 0
    assert tw.jobs.spend(rehearsed=True)

    slow = tw.jobs.launch(tw.Task("slow", run="sleep 300", resources=SPOT), rehearse=True)
    tw.jobs.pause(slow)
    with pytest.raises(tw.Refused):
        tw.jobs.retry(slow)
    asyncio.run(tw.aio.jobs.cancel(slow))
    assert tw.jobs.wait(slow, timeout_s=60).state == "CANCELLED"


def test_accelerators_and_this_machine(data: pathlib.Path) -> None:
    found = tw.accelerators("a100-80")
    (one,) = found.values()
    assert list(found) == [one.name] == ["A100-80GB"]
    assert one.facts is not None
    assert round(one.facts.memory_gib) == 80
    assert one.cheapest_on_demand is not None
    assert one.cheapest_spot is not None
    assert one.cheapest_spot.price_spot_usd_h
    assert 1.0 in one.counts
    assert len(asyncio.run(tw.aio.accelerators())) > 10
    assert all(finding.says for finding in tw.doctor())


def test_limits_are_set_and_kept(data: pathlib.Path) -> None:
    assert tw.config.get().max_hourly_cost is None
    tw.config.set("max_hourly_cost", 0.001)
    with pytest.raises(tw.Refused, match=r"limits.yaml allows 0.001 USD/h"):
        tw.launch(tw.Task("capped", run="x", resources=SPOT), rehearse=True)
    with pytest.raises(tw.LimitsError, match="budget must be a number above 0"):
        tw.config.set("budget", 0)
    with pytest.raises(tw.LimitsError, match="there is no limit 'bugdet'"):
        tw.config.set("bugdet", 1)  # type: ignore[arg-type]
    asyncio.run(tw.aio.config.unset("max_hourly_cost"))
    assert tw.config.get() == asyncio.run(tw.aio.config.get())
    assert tw.config.get().max_hourly_cost is None


def test_jobs_are_chosen_counted_and_followed(data: pathlib.Path) -> None:
    task = tw.Task("glance", run="echo seen", resources=SPOT)
    first = tw.jobs.launch(task, rehearse=True, key="one", share="me")
    assert tw.jobs.launch(task, rehearse=True, key="one") == first
    facts = [event.kind for event in tw.follow("glance")]
    assert "succeeded" in facts
    assert tw.jobs.wait(first).succeeded
    assert [job.id for job in tw.jobs.queue(states=("SUCCEEDED",), name="glance")] == [first]
    found = tw.jobs.top()
    assert found.states["SUCCEEDED"] >= 1
    assert (found.active, found.limits, found.real.spent_usd) == ((), tw.config.get(), 0.0)

    async def followed() -> list[str]:
        return [event.kind async for event in tw.aio.follow("glance")]

    assert asyncio.run(followed())[: len(facts)] == facts


def test_a_file_of_several_tasks_is_a_graph(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    chain = tmp_path / "chain.yaml"
    chain.write_text(
        "name: two\n---\nname: a\nresources: {infra: local}\nrun: 'true'\n---\nname: b\nresources: {infra: local}\nrun: 'true'\n"
    )
    assert [tw.jobs.wait(number, timeout_s=60).state for number in tw.jobs.launch_graph(chain)] == ["SUCCEEDED"] * 2


def test_files_are_validated_and_plans_explained(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("run: x\nresources: {cpus: 4+, priority_class: high}\n")
    bad.write_text("run: x\nresources:\n  cpu: 4\n")
    one, other = tw.validate(good, bad, defaults=True)
    assert (one.valid, one.documents[0]["resources"]["cpus"], one.defaults[0]["num_nodes"]) == (True, "4+", 1)
    assert "classes of priority are not there yet" in one.not_there_yet[0]
    assert (other.valid, other.line, other.field, other.suggestion) == (False, 3, "resources.cpu", "cpus")
    assert tw.schema() == asyncio.run(tw.aio.schema())
    told = tw.explain(tw.Task("t", run="x", resources=SPOT))
    assert told.plan.feasible
    assert told.explanation is not None
    front = tw.pareto(tw.Task("t", run="x", resources=SPOT), "cost", "carbon")
    assert front[0].total_usd <= front[-1].total_usd
    assert tw.explain_error("InsufficientInstanceCapacity")["aws"].kind
    assert tw.explain_error("no such code") == {}


def test_the_catalog_is_looked_at_and_added_to(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    held = tw.catalog.info()
    assert held.offers > 10_000
    assert held.clouds["aws"].regions > 10
    mine = tmp_path / "mine.csv"
    mine.write_text(
        "cloud,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,accelerator_memory_gib,region,zone,price_ondemand_usd_h,"
        "price_spot_usd_h\nlab,big,x86_64,64,256,,,,here,,0.01,\n"
    )
    added = tw.catalog.import_offers(mine)
    assert (added.name, added.offers, added.new, added.replaced) == ("mine", 1, 1, False)
    assert tw.catalog.info().imports == ("mine",)
    moved = tw.catalog.diff("shipped", clouds=("lab",))
    assert [offer.instance_type for offer in moved.added] == ["big"]
    asyncio.run(tw.aio.catalog.remove_offers("mine"))
    with pytest.raises(tw.CatalogError, match="nothing is imported under the name 'mine'"):
        tw.catalog.remove_offers("mine")
    with pytest.raises(tw.CatalogError, match="add its date"):
        tw.catalog.keep(mine)
    assert tw.catalog.keep(mine, "2026-05-20").date == "2026-05-20"
    assert tw.catalog.doctor().accelerators_without_datasheet is not None


def test_this_computer_is_checked_and_has_machines(data: pathlib.Path) -> None:
    found = tw.check("local", "aws")
    assert (found["local"].works, found["aws"].works) == (True, False)
    assert "credentials" in found["aws"].why_not
    with pytest.raises(ValueError, match="there is no cloud called 'asw'"):
        tw.check("asw")
    assert tw.local.status() == asyncio.run(tw.aio.local.status()) == ()
    with pytest.raises(tw.NotFound, match="there is no machine nope"):
        tw.local.down("nope")
    (machine,) = tw.local.up(1, isolation="processes")
    assert (machine.state, machine.cluster) == ("up", "")
    assert tw.local.down() == (machine.machine.name,)
