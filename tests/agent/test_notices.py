"""Notices: the metadata services of the clouds, played by a small server, heard by a real agent."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time

import pytest

from tradewind.agent import notices
from tradewind.agent.errors import RefusalError
from tradewind.agent.notices import NoticeWatch
from tradewind.agent.protocol import Notice, WatchNotices
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
        watch = NoticeWatch(told.append)
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
        watch = NoticeWatch(told.append)
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
        watch = NoticeWatch(lambda _: None)
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
