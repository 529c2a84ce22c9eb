"""The daemon's own life: one per directory, found, replaced, refused, gone when idle."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading

import pytest

from tests.broker.real import RealDaemon, task, until
from tradewind.broker.server import client as client_module
from tradewind.broker.server.client import EXIT_BUSY, ApiError, DaemonClient, DaemonUnreachable
from tradewind.broker.server.socket_path import SocketDirectoryError, socket_path


@pytest.fixture
def daemon(tmp_path):
    daemon = RealDaemon(str(tmp_path / "data"))
    yield daemon
    daemon.end()


def test_it_says_who_it_is_on_a_socket_that_only_its_user_reaches(daemon):
    client = daemon.start()
    hello = client.hello()
    assert hello["data_dir"] == daemon.data_dir
    assert hello["api"] == client_module.API_VERSION
    path = socket_path(daemon.data_dir)
    assert len(path) < 108
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(daemon.data_dir).st_mode) == 0o700


def test_a_second_one_leaves_at_once(daemon):
    daemon.start()
    command = [sys.executable, "-m", "tradewind.broker.server", "--data-dir", daemon.data_dir]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == EXIT_BUSY
    assert "another daemon holds this data directory" in second.stderr


def test_commands_that_start_it_together_find_the_same_one(daemon):
    pids = []
    threads = [
        threading.Thread(target=lambda: pids.append(DaemonClient.connect(daemon.data_dir).hello()["pid"]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1


def test_the_socket_of_a_dead_one_is_no_obstacle(daemon):
    daemon.start()
    daemon.kill()
    assert os.path.exists(socket_path(daemon.data_dir))
    assert DaemonClient.connect(daemon.data_dir).hello()["pid"] > 0


def test_one_of_another_version_is_replaced(daemon, monkeypatch):
    old = daemon.start().hello()["pid"]
    monkeypatch.setattr(client_module, "__version__", "99")
    assert DaemonClient.connect(daemon.data_dir).hello()["pid"] != old
    monkeypatch.undo()


def test_without_start_none_is_started(tmp_path):
    with pytest.raises(DaemonUnreachable, match="no daemon serves .* `tradewind api start`"):
        DaemonClient.connect(str(tmp_path), start=False)
    assert os.listdir(tmp_path) == []


def test_it_goes_when_nothing_is_alive(daemon):
    daemon.start(idle_exit_s=0.2)
    assert daemon.wait_dead() == 0
    assert not os.path.exists(socket_path(daemon.data_dir))


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonUnreachable, match="data directory cannot be written.*TRADEWIND_DATA_DIR"):
        DaemonClient.connect(str(tmp_path / "file" / "data"))


def test_a_damaged_record_is_told_by_whoever_wanted_it(tmp_path):
    (tmp_path / "record.sqlite").write_bytes(b"nothing that SQLite would know of, at some length" * 100)
    with pytest.raises(DaemonUnreachable, match="did not start: .*record.sqlite cannot be used"):
        DaemonClient.connect(str(tmp_path))


def test_sockets_of_other_users_are_not_trusted(tmp_path, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("needs root to make a directory of somebody else's")
    with tempfile.TemporaryDirectory() as runtime:  # a long path would be passed over: a socket's has 108 bytes
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        os.mkdir(os.path.join(runtime, "tradewind"))
        os.chown(os.path.join(runtime, "tradewind"), 65534, 65534)
        with pytest.raises(SocketDirectoryError, match="belongs to someone else"):
            socket_path(str(tmp_path))


def ask(daemon, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(socket_path(daemon.data_dir))
        raw.sendall(request)
        said = b""
        while piece := raw.recv(65536):
            said += piece
        return said


def test_it_answers_its_own_client_only(daemon):
    daemon.start()
    own = b"GET /v1/hello HTTP/1.1\r\nHost: tradewind\r\nConnection: close\r\n"
    assert ask(daemon, own + b"\r\n").startswith(b"HTTP/1.1 200")
    assert ask(daemon, own + b"Origin: http://evil.example\r\n\r\n").startswith(b"HTTP/1.1 403")
    foreign = own.replace(b"Host: tradewind", b"Host: evil.example")
    assert ask(daemon, foreign + b"\r\n").startswith(b"HTTP/1.1 403")
    assert b"HTTP/1.1 400" in ask(daemon, b"\x00\x01 nonsense\r\n\r\n")


HERE = "name: here\nresources: {infra: local}\nrun: echo hi\n"
ANYWHERE = "name: there\nresources: {cpus: 2+, use_spot: true}\nrun: echo hi\n"


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "sentence"),
    [
        ("/v1/launch", {"task": 3}, 400, "request", "cannot be read"),
        ("/v1/launch", {"task": HERE, "accepted_hourly_usd": 0, "cluster": "../x"}, 400, "request", "not allowed"),
        ("/v1/launch", {"task": ANYWHERE, "accepted_hourly_usd": 9}, 409, "no_provider", "no cloud can be used from here"),
        ("/v1/jobs", {"task": ANYWHERE, "accepted_hourly_usd": 0.0001, "rehearse": True}, 409, "price", "more than the 0.0001 USD/h that was accepted"),
        ("/v1/jobs", {"task": ANYWHERE, "accepted_hourly_usd": 9, "rehearse": True, "catalog": "/nowhere.csv"}, 400, "catalog", "cannot be read"),
        ("/v1/jobs/7/cancel", {}, 404, "not_found", "there is no managed job 7"),
        ("/v1/clusters/nope/down", {}, 404, "not_found", "there is no cluster nope"),
        ("/v1/clusters/nope/jobs/x/cancel", {}, 400, "request", "must be a whole number"),
        ("/v1/nothing", {}, 404, "not_found", "no such resource"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence_with_a_kind(daemon, path, body, status, kind, sentence):
    client = daemon.start()
    if isinstance(body.get("task"), str):
        body = body | {"task": task(body["task"])}
    with pytest.raises(ApiError, match=sentence) as refused:
        client.post(path, body)
    assert (refused.value.status, refused.value.kind) == (status, kind)
    assert client.get("/v1/clusters?all=1") == client.get("/v1/jobs") == []


def test_a_task_runs_here_from_launch_to_down(daemon):
    """Through HTTP: launch, logs, a second launch on the same cluster, exec, events, down."""
    client = daemon.start()
    launch = {"task": task(HERE + "setup: echo ready\n"), "cluster": "mine", "accepted_hourly_usd": 0}
    assert client.post("/v1/launch", launch) == {"cluster": "mine", "job_id": 1}
    assert b"".join(client.stream("/v1/clusters/mine/jobs/1/logs?follow=1")) == b"ready\nhi\n"
    assert client.post("/v1/launch", launch) == {"cluster": "mine", "job_id": 2}
    assert client.post("/v1/clusters/mine/exec", {"task": launch["task"]}) == {"job_id": 3}
    assert b"".join(client.stream("/v1/clusters/mine/jobs/3/logs?follow=1")) == b"hi\n", "exec does no set-up"
    assert b"".join(client.stream("/v1/clusters/mine/jobs/3/logs?offset=1")) == b"i\n"
    until("all end", lambda: {j["state"] for j in client.get("/v1/clusters/mine/jobs")} == {"SUCCEEDED"}, daemon.log)
    (cluster,) = client.get("/v1/clusters")
    assert (cluster["state"], cluster["hourly_usd"], len(cluster["instances"])) == ("UP", 0.0, 1)
    assert client.post("/v1/clusters/mine/down")["state"] == "TERMINATED"
    assert client.get("/v1/clusters") == []
    assert daemon.instances_on_disk() == []
    kinds = [event["kind"] for event in client.get("/v1/events?subject=cluster/mine")]
    for kind in ("planned", "provisioning", "launched", "bootstrapping", "up", "succeeded", "terminated"):
        assert kind in kinds


def test_a_job_is_cancelled_with_all_its_processes(daemon):
    client = daemon.start()
    text = (
        "name: long\nresources: {infra: local}\nrun: |\n  trap '' TERM\n  setsid sleep 300 &\n  echo on\n  sleep 300\n"
    )
    client.post("/v1/launch", {"task": task(text), "cluster": "mine", "accepted_hourly_usd": 0})
    stream = client.stream("/v1/clusters/mine/jobs/1/logs?follow=1")
    assert next(stream) == b"on\n"
    client.post("/v1/clusters/mine/jobs/1/cancel")
    until("it is cancelled", lambda: client.get("/v1/clusters/mine/jobs")[0]["state"] == "CANCELLED", daemon.log)
    assert list(stream) == []
    assert not any("sleep 300" in command for command in daemon.processes())
    with pytest.raises(ApiError, match="CANCELLED already; there is nothing to cancel"):
        client.post("/v1/clusters/mine/jobs/1/cancel")
