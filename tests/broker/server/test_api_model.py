"""The HTTP API of managed jobs against a reference model: whatever is asked in whatever order, states, refusals, lists and counts agree."""

from __future__ import annotations

import tempfile
from collections import Counter

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.server.app import Api, make_app

ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}
KEYS = st.sampled_from([None, None, "a", "b"])
SUBMIT = st.tuples(st.just("submit"), st.sampled_from(["wait", "held", "exit 0", "exit 3"]), KEYS)
CHANGE = st.tuples(st.sampled_from(["pause", "resume", "cancel", "retry"]), st.integers(1, 5), st.none())
FINISH = st.tuples(st.just("finish"), st.integers(1, 5), st.sampled_from([0, 1]))


class Answer(msgspec.Struct):
    status_code: int
    body: bytes

    def json(self):
        return msgspec.json.decode(self.body)


class Client:
    """Speaks ASGI to the application, as its server does."""

    def __init__(self, app) -> None:
        self._app = app

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path, b"")

    async def post(self, path: str, json: object) -> Answer:
        return await self._ask("POST", path, msgspec.json.encode(json))

    async def _ask(self, method: str, path: str, body: bytes) -> Answer:
        path, _, query = path.partition("?")
        status, parts = 0, []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        headers = [(b"host", b"tradewind"), (b"content-type", b"application/json")]
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http"}
        scope |= {"path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": headers}
        scope |= {"root_path": "", "client": None, "server": None}
        await self._app(scope, receive, send)
        return Answer(status, b"".join(parts))


class Model:
    """What the API promises: each job's script and settled state, and which key is which job."""

    def __init__(self) -> None:
        self.scripts: dict[int, str] = {}
        self.states: dict[int, str] = {}
        self.keys: dict[str, int] = {}

    def settles(self, script: str) -> str:
        return {"wait": "RUNNING", "held": "PENDING", "exit 0": "SUCCEEDED", "exit 3": "FAILED"}[script]

    def submit(self, script: str, key: str | None) -> int | None:
        """The job's number; None when the key is another task's."""
        if key in self.keys:
            twin = self.keys[key]
            return twin if self._run(self.scripts[twin]) == self._run(script) else None
        number = len(self.states) + 1
        self.scripts[number], self.states[number] = script, self.settles(script)
        if key is not None:
            self.keys[key] = number
        return number

    def _run(self, script: str) -> str:
        return "wait" if script == "held" else script

    def change(self, what: str, number: int) -> bool:
        """Whether it is allowed, and then carried out."""
        before = self.states[number]
        again = self.settles(self.scripts[number])
        after = {
            "pause": {"PENDING": "PAUSED", "RUNNING": "PAUSED", "PAUSED": "PAUSED"},
            "resume": {"PAUSED": again},
            "cancel": {"PENDING": "CANCELLED", "RUNNING": "CANCELLED", "PAUSED": "CANCELLED"},
            "retry": {"FAILED": again, "CANCELLED": again},
        }[what].get(before)
        if after is not None:
            self.states[number] = after
        return after is not None


async def carry_out(client: Client, r: Running, model: Model, operation) -> None:
    what, subject, extra = operation
    if what == "submit":
        body = msgspec.to_builtins(
            job_request(
                task("wait" if subject == "held" else subject),
                client_key=extra,
                not_before_unix=4e9 if subject == "held" else None,
            )
        )
        answer = await client.post("/v1/jobs", json=body)
        number = model.submit(subject, extra)
        assert (answer.status_code, answer.json().get("job_id")) == ((200, number) if number else (409, None))
        return
    if subject not in model.states:
        if what != "finish":
            assert (await client.post(f"/v1/jobs/{subject}/{what}", json={})).status_code == 404
        return
    if what == "finish":
        finish(r, model, subject, extra)
        return
    answer = await client.post(f"/v1/jobs/{subject}/{what}", json={})
    allowed = model.change(what, subject)
    assert answer.status_code == (200 if allowed else 409), answer.body


def finish(r: Running, model: Model, number: int, code: int) -> None:
    if model.states[number] != "RUNNING":
        return
    cluster = r.broker.managed_job(number).cluster_id
    for agent in r.cloud.agents.values():
        for key, phase in list(agent.jobs):
            if key.startswith(f"{cluster}-"):
                agent.finish(key, phase, code)
    model.states[number] = "FAILED" if code else "SUCCEEDED"


async def agrees(client: Client, r: Running, model: Model) -> None:
    await r.until("the states settle", lambda: {n: r.job_state(n) for n in model.states} == model.states)
    rows = (await client.get("/v1/jobs?limit=1000")).json()
    assert {row["id"]: row["state"] for row in rows} == model.states
    paged, before = [], 10**9
    while page := (await client.get(f"/v1/jobs?limit=2&before={before}")).json():
        paged, before = [*page, *paged], page[0]["id"]
    assert [row["id"] for row in paged] == sorted(model.states)
    for state in ("RUNNING", "PAUSED", "FAILED"):
        listed = (await client.get(f"/v1/jobs?state={state}")).json()
        assert {row["id"] for row in listed} == {n for n, now in model.states.items() if now == state}
    unfinished = (await client.get("/v1/jobs?unfinished=1")).json()
    assert {row["id"] for row in unfinished} == {n for n, now in model.states.items() if now not in ENDED}
    assert (await client.get("/v1/summary")).json()["states"] == Counter(model.states.values())
    running = Counter(model.states.values())["RUNNING"]
    await r.until("as many machines as programs", lambda: len(r.cloud.running()) == running)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(SUBMIT, CHANGE, CHANGE, FINISH), min_size=4, max_size=14))
def test_the_api_does_what_the_model_says(operations):
    async def scenario():
        model = Model()
        with tempfile.TemporaryDirectory() as directory:
            async with Running(f"{directory}/data", ScriptedCloud()) as r:
                client = Client(make_app(Api(r.broker, lambda _when: None, 0.0)))
                for operation in (("submit", "wait", None), *operations):
                    await carry_out(client, r, model, operation)
                    await agrees(client, r, model)

    run(scenario())
