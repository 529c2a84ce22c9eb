"""Notices: the metadata services of the clouds, played by a small server, heard by a real agent."""

from __future__ import annotations

import asyncio
import http.server
import json
import pathlib
import threading
import time

import pytest

from tradewind.agent import notices
from tradewind.agent.errors import RefusalError
from tradewind.agent.notices import NoticeWatch
from tradewind.agent.protocol import Hook, JobEnded, ListJobs, Notice, RunHooks, RuntimeLost, StartJob, WatchNotices
from tradewind.broker.provision.agent_client import AgentRefused


class Metadata:
    """A metadata service: whatever `answer` says; a token is asked for where `token` is set."""

    def __init__(self) -> None:
        self.answer = (404, b"")
        self.token = ""
        self.asked = 0
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked += 1
                allowed = not service.token or self.headers.get("X-Token") == service.token
                self.reply(*(service.answer if allowed else (401, b"")))

            def do_PUT(self) -> None:
                self.reply(200, service.token.encode())

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def metadata():
    made = Metadata()
    yield made
    made.close()


def aws(metadata, **options) -> WatchNotices:
    return WatchNotices(
        urls=(f"{metadata.url}/spot/instance-action",), parser="tradewind.broker.clouds.aws.notices:seconds_left",
        interval_s=0.02, token_url=f"{metadata.url}/token", token_header="X-Token", **options,
    )  # fmt: skip


def announced(seconds: float) -> tuple[int, bytes]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    return 200, json.dumps({"action": "terminate", "time": at}).encode()


def test_an_agent_tells_of_an_announcement_once(agent, run, fact_of, metadata):
    metadata.token = "secret"

    async def scenario():
        client = await agent.connect()
        await client.call(aws(metadata))
        await client.call(aws(metadata))
        while metadata.asked < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        metadata.answer = announced(100)
        notice = await fact_of(client, Notice)
        assert 97 < notice.seconds_left <= 101
        asked = metadata.asked
        while metadata.asked < asked + 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (await client.hello("x")).last_seq == 1
        await client.close()

    run(scenario())


def test_a_service_that_is_not_there_or_talks_nonsense_says_nothing(metadata, run, capsys):
    told = []

    async def scenario():
        watch = NoticeWatch(lambda _source, left: told.append(left))
        await watch.watch(aws(metadata))
        for answer in ((200, b"{"), (500, b"x"), (200, b"[]"), (200, b'{"action": "none"}')):
            metadata.answer = answer
            asked = metadata.asked
            while metadata.asked < asked + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await watch.watch(
            WatchNotices(("http://127.0.0.1:9/",), "tradewind.broker.clouds.aws.notices:seconds_left", interval_s=0.01)
        )
        await asyncio.sleep(0.05)
        await watch.stop()

    run(scenario())
    assert told == []


def test_one_that_is_withdrawn_and_comes_again_is_told_again(metadata, run):
    told = []

    async def scenario():
        watch = NoticeWatch(lambda _source, left: told.append(left))
        await watch.watch(aws(metadata))
        for answer, expected in ((announced(50), 1), ((404, b""), 1), (announced(60), 2)):
            metadata.answer = answer
            asked = metadata.asked
            while metadata.asked < asked + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            assert len(told) == expected
        await watch.stop()

    run(scenario())


def test_only_the_clouds_own_parsers_are_looked_up(agent, run):
    async def scenario():
        watch = NoticeWatch(lambda _source, _left: None)
        for name in ("os:system", "tradewind.agent.jobs:Jobs", "tradewind.broker.clouds.aws.notices:no_such", "x"):
            with pytest.raises(RefusalError, match="parser"):
                await watch.watch(WatchNotices((), name))
        client = await agent.connect()
        with pytest.raises(AgentRefused, match="names no parser"):
            await client.call(WatchNotices((), "os:system"))
        await client.close()

    run(scenario())


def test_no_proxy_stands_between(metadata, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    metadata.answer = announced(30)
    parser = notices._load("tradewind.broker.clouds.aws.notices:seconds_left")
    left = notices.seconds_left(aws(metadata), parser)
    assert left is not None
    assert 27 < left <= 31


def waiting(script: str, *hooks: Hook) -> StartJob:
    return StartJob("j", "run", f"{script}; touch ready; while true; do sleep 0.05; done", preemption_hooks=hooks)


async def until_ready(agent) -> None:
    ready = pathlib.Path(agent.home, "workdir", "ready")
    while not await asyncio.to_thread(ready.exists):  # noqa: ASYNC110  the file is another process's
        await asyncio.sleep(0.01)


def test_a_job_is_told_and_its_hooks_run_before_its_end_is_said(agent, run, fact_of, metadata):
    async def scenario():
        client = await agent.connect()
        hooks = (Hook("sleep 0.3; echo the first hook"), Hook("sleep 60", timeout_s=0.1), Hook("exit 3"))
        await client.call(waiting("trap 'echo told; exit 0' TERM", *hooks))
        await until_ready(agent)
        metadata.answer = announced(100)
        await client.call(aws(metadata))
        ended = await fact_of(client, JobEnded)
        assert (ended.state, ended.exit_code) == ("LOST", 0)
        assert ended.why == "the cloud said that it takes this machine"
        said = b"".join([chunk async for chunk in client.read_log("j", follow=True)]).decode()
        said = said.replace("Terminated\n", "")  # bash's own word about the sleep that was told too
        assert said.splitlines() == [
            "told",
            "the first hook",
            "tradewind: a hook took more than 0.1 s and was ended",
            "tradewind: a hook ended with exit code 3",
        ]
        await client.close()

    run(scenario())


def test_a_job_runs_on_until_the_end_is_near_and_an_end_that_does_not_come_is_told(agent, run, fact_of, metadata):
    async def scenario():
        client = await agent.connect()
        await client.call(waiting("true"))
        await until_ready(agent)
        metadata.answer = announced(3600)  # as a maintenance notice, an hour ahead
        await client.call(aws(metadata, drain_s=3.0, overdue_s=0.1))
        await fact_of(client, Notice)
        assert [job.state for job in (await client.call(ListJobs())).jobs] == ["RUNNING"]
        metadata.answer = (404, b"")
        asked = metadata.asked
        while metadata.asked < asked + 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        metadata.answer = announced(1)
        ended = await fact_of(client, JobEnded)
        assert (ended.state, ended.signal) == ("LOST", 15)
        lost = await fact_of(client, RuntimeLost)
        assert lost.why == "its jobs were told that the cloud takes this machine, and it did not"
        await client.close()

    run(scenario())


def test_hooks_run_on_order_in_an_environment_like_a_jobs(agent, run):
    async def scenario():
        client = await agent.connect()
        hooks = (Hook('echo "$GREETING from $TRADEWIND_NODE_RANK of $SKYPILOT_NUM_NODES in $(basename "$PWD")"'),)
        await client.call(RunHooks(hooks=hooks, envs={"GREETING": "hello"}))
        await client.close()

    run(scenario())
    assert pathlib.Path(agent.home, "logs", "hooks.log").read_text() == "hello from 0 of 1 in workdir\n"
