"""Managed jobs over the daemon's socket: arrays, pages, refusals, figures, and the description of it all."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.broker.real import RealDaemon, task
from tradewind.broker.server.client import ApiError

WAITS = "name: t\nresources: {infra: local}\nrun: sleep 300\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    daemon = RealDaemon(str(tmp_path_factory.mktemp("daemon") / "data"))
    yield daemon.start()
    daemon.end()


def held_back(**more):
    """A submission that waits for a long time: nothing is started for it."""
    return {"task": task(WAITS), "accepted_hourly_usd": 1.0, "not_before_unix": 4e9, **more}


@pytest.fixture(scope="module")
def array(client):
    asked = {"job": held_back(client_key="k"), "members": [{"N": str(n)} for n in range(5)]}
    answer = client.post("/v1/arrays", asked)
    assert client.post("/v1/arrays", asked) == answer, "the same key is the same array"
    return answer


def test_an_array_is_listed_in_pages(client, array):
    path = f"/v1/jobs?array={array['array_id']}"
    assert [job["id"] for job in client.get(path)] == array["job_ids"]
    newest = client.get(f"{path}&limit=2")
    assert [job["array_index"] for job in newest] == [3, 4]
    before = client.get(f"{path}&limit=2&before={newest[0]['id']}")
    assert [job["array_index"] for job in before] == [1, 2]
    assert newest[0]["waiting_for"].startswith("its time: it starts in ")
    view = client.get(f"/v1/arrays/{array['array_id']}")
    assert (view["size"], view["states"]) == (5, {"PENDING": 5})
    assert client.get(f"/v1/arrays?ids={array['array_id']},99") == [view]


def test_a_job_is_found_by_number_and_name(client, array):
    first = array["job_ids"][0]
    assert client.get(f"/v1/jobs/named/{first}")["job_id"] == first
    assert client.get("/v1/jobs/named/t-0")["job_id"] == first
    for word in ("nobody", "99999999999999999999999", "%20"):
        with pytest.raises(ApiError, match="there is no managed job"):
            client.get(f"/v1/jobs/named/{word}")


def test_changes_over_the_socket(client, array):
    job, whole = array["job_ids"][1], f"/v1/arrays/{array['array_id']}"
    client.post(f"/v1/jobs/{job}/pause")
    assert client.get(f"/v1/jobs/{job}")["state"] == "PAUSED"
    assert client.post(f"{whole}/cancel") == {"changed": 5, "left": 0}
    assert client.post(f"{whole}/resume") == {"changed": 0, "left": 5}
    client.post(f"/v1/jobs/{job}/retry?budget_usd=2.5")
    assert client.get(f"/v1/jobs/{job}")["budget_usd"] == 2.5
    assert client.post(f"{whole}/cancel") == {"changed": 1, "left": 4}


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("get", "/v1/jobs?state=NOWHERE", "there is no state NOWHERE"),
        ("get", "/v1/jobs?limit=0", "limit must be from 1 to 100000"),
        ("get", "/v1/jobs?before=x", "before must be a whole number"),
        ("get", "/v1/jobs/77777", "there is no managed job 77777"),
        ("get", "/v1/jobs/99999999999999999999", "there is no managed job"),
        ("get", "/v1/jobs/abc", "there is no such resource"),
        ("get", "/v1/arrays/77", "there is no array 77"),
        ("get", "/v1/spend?by=moon", "by must be one of job, name, cloud, region, day"),
        ("post", "/v1/jobs/77777/retry", "there is no managed job 77777"),
        ("post", "/v1/arrays/77/pause", "there is no array 77"),
    ],
)
def test_refusals(client, method, path, said):
    with pytest.raises(ApiError, match=said):
        getattr(client, method)(path)


def test_figures(client, array):
    del array
    text = b"".join(client.stream("/v1/metrics")).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    states = {sample.labels["state"]: sample.value for sample in families["tradewind_managed_jobs"].samples}
    assert states["CANCELLED"] > 0
    assert families["tradewind_launch_seconds"].type == "histogram"
    assert {"tradewind_recoveries", "tradewind_spend_usd", "tradewind_used_cpus"} <= set(families)
    summary = client.get("/v1/summary")
    assert summary["limits"]["max_active_jobs"] == 64
    assert summary["real"]["spent_usd"] == 0
    assert client.get("/v1/spend?by=cloud")["usd_exact"] == "0.000000000000"


def test_the_description_names_every_route_and_resolves_every_reference(client):
    found = client.get("/v1/openapi.json")
    assert found["openapi"].startswith("3.1")
    assert {"/v1/jobs", "/v1/jobs/{id:int}", "/v1/arrays", "/v1/events", "/v1/openapi.json"} <= set(found["paths"])
    operations = [one for path in found["paths"].values() for one in path.values()]
    assert all(one["summary"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)
    for name in re.findall(r"#/components/schemas/([\w.]+)", str(found)):
        assert name in found["components"]["schemas"]
