"""`tradewind.plan` of one task and of several, with what they and the data directory ask."""

from __future__ import annotations

import asyncio

import pytest

import tradewind as tw
from tradewind import aio
from tradewind.optimizer import InvalidProblem

OFFERS = """cloud,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,accelerator_memory_gib,region,zone,price_ondemand_usd_h,price_spot_usd_h
aws,c,x86_64,4,16,,,,us-east-1,,0.10,0.05
aws,c,x86_64,4,16,,,,eu-north-1,,0.12,0.05
aws,p3,x86_64,64,488,V100,8,16,eu-north-1,,9,2
aws,p4d,x86_64,96,1152,A100,8,40,us-east-1,,20,4
"""


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "offers.csv").write_text(OFFERS)
    return str(tmp_path / "offers.csv")


LOAD = {"name": "load", "run": "x", "resources": tw.Resources(cpus="2+")}
FIT = {"name": "fit", "run": "x", "resources": tw.Resources(accelerators="V100:8", use_spot=True)}


def test_several_tasks_are_one_plan_and_their_data_is_counted(catalog):
    load, fit = tw.Task(**LOAD), tw.Task(**FIT)
    apart = tw.plan([load, fit], catalog=catalog)
    assert [(p.task, p.region) for p in apart.placements] == [("fit", "eu-north-1"), ("load", "us-east-1")]
    joined = tw.plan([load, fit], edges=[("load", "fit", 500)], catalog=catalog)
    assert {p.region for p in joined.placements} == {"eu-north-1"}
    same = asyncio.run(aio.plan([load, fit], edges=[("load", "fit", 500)], catalog=catalog))
    assert same.placements == joined.placements
    beside = tw.plan([load, fit], together=[("load", "fit")], catalog=catalog)
    assert {p.region for p in beside.placements} == {"eu-north-1"}
    with pytest.raises(InvalidProblem, match="no task here"):
        tw.plan([load, fit], edges=[("load", "fitt", 1)], catalog=catalog)
    with pytest.raises(InvalidProblem, match="circle"):
        tw.plan([load, fit], edges=[("load", "fit", 1), ("fit", "load", 1)], catalog=catalog)


def test_a_task_says_where_it_may_run_and_how_long_it_takes(catalog):
    either = tw.Resources(accelerators={"V100": 8, "A100": 8}, use_spot=True)

    def chosen(**more):
        (placement,) = tw.plan(tw.Task("fit", run="x", resources=either, **more), catalog=catalog).placements
        return placement.instance_type, placement.hours

    assert chosen() == ("p3", 1.0)
    assert chosen(placement={"exclude": ["aws/eu-*"]})[0] == "p4d"
    assert chosen(estimates={"V100:8": "25h"}) == ("p4d", pytest.approx(25 * 125 / 312))
    assert chosen(placement={"minimize": "time"}, estimates={"V100:8": "25h"})[0] == "p4d"
    assert chosen(inputs={"aws/us-east-1": 5000})[0] == "p4d"
    with pytest.raises(tw.SpecError, match="did you mean 'exclude'"):
        tw.Task("fit", run="x", placement={"exlude": []})
