"""The daemon's planner goes by the catalog as it is now: what a person imports or changes counts in the next plan."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Iterator

import pytest

from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.store.records import Options
from tradewind.catalog.imports import add_import, own_directory, remove_import
from tradewind.spec.task import AcceleratorRequest, Resources, Task

TASK = Task(resources=(Resources(accelerators=(AcceleratorRequest("A100", 8),)),), run="echo")
HEADER = "cloud,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,region,price_ondemand_usd_h\n"


@pytest.fixture
def planner(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CatalogPlanner]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    made = CatalogPlanner(())
    yield made
    made.close()


def _chosen(planner: CatalogPlanner, catalog: str = "") -> str:
    plan = asyncio.run(planner.consider(TASK, Options(rehearse=True, catalog=catalog)))
    return plan.placements[0].instance_type


def test_an_import_counts_at_once_and_no_longer_once_removed(planner: CatalogPlanner, tmp_path: pathlib.Path) -> None:
    shipped = _chosen(planner)
    (tmp_path / "mine.csv").write_text(HEADER + "onprem,dgx,,96,1024,A100,8,basement,2\n")
    add_import(str(tmp_path / "mine.csv"), own_directory())
    assert _chosen(planner) == "dgx"
    remove_import("mine", own_directory())
    assert _chosen(planner) == shipped


def test_a_catalog_that_changed_is_read_again(planner: CatalogPlanner, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(HEADER + "gcp,first,,96,1024,A100,8,r1,2\n")
    assert _chosen(planner, str(path)) == "first"
    path.write_text(HEADER + "gcp,second,,96,1024,A100,8,r1,2\n")
    assert _chosen(planner, str(path)) == "second"
