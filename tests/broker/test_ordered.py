"""An order of preference in a task file reaches the optimizer."""

from __future__ import annotations

import pathlib

import pytest

from tradewind.broker.planner import plan_task
from tradewind.catalog import open_catalog
from tradewind.spec import parse_task


def test_the_first_alternative_is_taken_though_it_costs_more(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dear, cheap = "{cpus: 64, infra: aws}", "{cpus: 2, infra: gcp}"
    with open_catalog() as catalog:
        for name, cloud in (("ordered", "aws"), ("any_of", "gcp")):
            task = parse_task(f"run: x\nresources: {{{name}: [{dear}, {cheap}]}}\n", "t.yaml", "/")
            (placement,) = plan_task(task, catalog).placements
            assert placement.cloud == cloud, name
