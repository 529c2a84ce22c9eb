"""Server-sent events as the standard says, taken up again where they were lost; idempotency keys as header."""

from __future__ import annotations

import http.client
import json
import socket

import pytest

from tests.broker.real import RealDaemon, task
from tradewind.broker.server.socket_path import socket_path

WAITS = "name: t\nresources: {infra: local}\nrun: sleep 300\n"


@pytest.fixture
def daemon(tmp_path):
    one = RealDaemon(str(tmp_path / "data"))
    yield one
    one.end()


def ask(data_dir: str, method: str, path: str, *, body=None, **headers: str) -> bytes:
    """The whole answer, as any HTTP client gets it."""
    connection = http.client.HTTPConnection("tradewind", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(60)
    connection.sock.connect(socket_path(data_dir))
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return answer.read()
    finally:
        connection.close()


def parsed(stream: bytes) -> list[dict[str, str]]:
    """The events of a stream, by the standard's rules; comments and retry hints left out."""
    events = []
    for block in stream.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "event" in fields:
            events.append(fields)
    return events


def test_a_job_from_beginning_to_end_and_again_from_the_middle(daemon):
    client = daemon.start()
    body = {"task": task(WAITS), "accepted_hourly_usd": 1.0, "not_before_unix": 4e9}
    first, again = (
        json.loads(ask(daemon.data_dir, "POST", "/v1/jobs", body=body, **{"Idempotency-Key": "once"}))["job_id"]
        for _ in range(2)
    )
    assert first == again
    array = {"job": body, "members": [{"N": "1"}, {"N": "2"}]}
    made = [ask(daemon.data_dir, "POST", "/v1/arrays", body=array, **{"Idempotency-Key": "many"}) for _ in range(2)]
    assert made[0] == made[1]
    client.post(f"/v1/jobs/{first}/cancel")
    path = f"/v1/events?subject=job/{first}"
    told = parsed(ask(daemon.data_dir, "GET", path, Accept="text/event-stream"))
    assert [event["event"] for event in told[:2]] == ["submitted", "planned"]
    assert [event["event"] for event in told[-2:]] == ["cancelled", "end"]
    assert [json.loads(event["data"])["seq"] for event in told[:-1]] == [int(event["id"]) for event in told[:-1]]
    later = parsed(ask(daemon.data_dir, "GET", path, Accept="text/event-stream", **{"Last-Event-ID": told[1]["id"]}))
    assert later == told[2:]
