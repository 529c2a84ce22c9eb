"""A real daemon that tells a real web hook, a real OTLP receiver and a scraper with the token."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.broker.real import RealDaemon, task, until
from tradewind.broker.server.client import DaemonClient

PROGRAM = """
name: told
resources: {cpus: 1+, use_spot: true}
run: echo "parent $TRACEPARENT"
"""


class Listener(HTTPServer):
    """Keeps what it was sent; answers 503 to the first `refusals` requests."""

    def __init__(self, refusals: int = 0) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.refusals = refusals
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        refused = self.server.refusals > 0
        self.server.refusals -= 1
        if not refused:
            self.server.heard.append((self.path, dict(self.headers), sent))
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments) -> None:
        pass


@pytest.fixture
def listeners():
    both = Listener(refusals=1), Listener()
    yield both
    for one in both:
        one.close()


@pytest.fixture
def daemon(tmp_path):
    one = RealDaemon(str(tmp_path / "data"))
    yield one
    one.end()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def run_one(client: DaemonClient) -> int:
    body = {"task": task(PROGRAM), "rehearse": True}
    price = client.post("/v1/plan", body)["hourly_usd"]
    given = {"traceparent": "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01", "clicked_unix": 1.0}
    job_id = client.post("/v1/jobs", {**body, **given, "accepted_hourly_usd": price})["job_id"]
    until("the job has ended", lambda: client.get(f"/v1/jobs/{job_id}")["state"] == "SUCCEEDED")
    return int(job_id)


def scraped(port: int, directory: str, token: str | None) -> tuple[int, str]:
    trusted = ssl.create_default_context(cafile=os.path.join(directory, "certificate.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30)
    try:
        connection.request("GET", "/metrics", headers={} if token is None else {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_hooks_traces_and_figures_of_one_job(daemon, listeners, tmp_path):
    hook, collector = listeners
    port, data = free_port(), tmp_path / "data"
    data.mkdir()
    (tmp_path / "key").write_text("a key\n")
    (data / "observe.yaml").write_text(
        f"hooks:\n- url: {hook.url}/told\n  events: [succeeded, running]\n  jobs: [told]\n  secret_file: {tmp_path}/key\n"
        f"traces: {{endpoint: '{collector.url}'}}\nmetrics: {{port: {port}}}\n"
    )
    client = daemon.start()
    job_id = run_one(client)

    def told():
        found = [json.loads(sent) for _, _, sent in hook.heard]
        return [one["kind"] for one in found if one["subject"] == f"job/{job_id}"]

    until("the hook was told of the end", lambda: "succeeded" in told(), daemon.log)
    assert told() == ["running", "succeeded"]  # in order, the refused one too
    for path, headers, sent in hook.heard:
        assert path == "/told"
        assert headers["X-Tradewind-Signature"] == "sha256=" + hmac.new(b"a key", sent, hashlib.sha256).hexdigest()
        assert headers["X-Tradewind-Delivery"] == str(json.loads(sent)["seq"])

    def spans():
        found = [ExportTraceServiceRequest.FromString(sent) for _, _, sent in collector.heard]
        return {s.name: s for r in found for one in r.resource_spans for scope in one.scope_spans for s in scope.spans}

    until("the trace is whole", lambda: {f"job/{job_id}", "cluster terminating", "submit"} <= set(spans()), daemon.log)
    found = spans()
    assert {span.trace_id.hex() for span in found.values()} == {"0123456789abcdef0123456789abcdef"}
    assert found[f"job/{job_id}"].parent_span_id.hex() == "00f067aa0ba902b7"
    output = b"".join(client.stream(f"/v1/jobs/{job_id}/logs")).decode()
    assert f"parent 00-0123456789abcdef0123456789abcdef-{found['job running'].span_id.hex()}-01" in output
    assert found["submit"].start_time_unix_nano == 1_000_000_000

    token = (data / "metrics" / "token").read_text().strip()
    directory = str(data / "metrics")
    status, page = scraped(port, directory, token)
    assert status == 200
    assert 'tradewind_managed_jobs{state="SUCCEEDED"} 1.0' in page
    for wrong in (None, "", "wrong", token[:-1]):
        assert scraped(port, directory, wrong) == (401, "")
    assert (data / "metrics").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (data / "metrics").iterdir())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert not plain.recv(1000).startswith(b"HTTP/")  # it speaks TLS only
    assert client.get("/v1/hello")["remarks"] == []


def test_a_file_that_cannot_be_used_is_said_and_the_daemon_goes_on(daemon, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "observe.yaml").write_text("hooks: 3\n")
    client = daemon.start()
    remarks = until("it is said", lambda: client.get("/v1/hello")["remarks"])
    assert "it may hold hooks, traces and metrics" in remarks[0]
    (tmp_path / "data" / "observe.yaml").unlink()
    until("it is well again", lambda: client.get("/v1/hello")["remarks"] == [])
