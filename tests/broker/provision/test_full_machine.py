"""A machine whose disk is full for a while fails nothing: what it has no room for is ordered again, and not for ever."""

from __future__ import annotations

import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.agent import protocol
from tradewind.broker.provision import bootstrap


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(bootstrap, "ROOM_PAUSE_S", 0.01)


class FullCloud(ScriptedCloud):
    """Every agent has no room for its first orders of one kind."""

    def __init__(self, kind: type, times: int) -> None:
        super().__init__()
        self.kind, self.times = kind, times

    async def launch(self, request, token):
        instance = await super().launch(request, token)
        self.agents[instance.provider_id].full[self.kind] = self.times
        return instance


@pytest.mark.parametrize(
    "kind", [protocol.Configure, protocol.StartRuntimeHead, protocol.StartRuntimeNode, protocol.StartJob]
)
def test_what_has_no_room_is_ordered_again(tmp_path, kind):
    async def scenario():
        async with Running(str(tmp_path / "data"), FullCloud(kind, 5)) as r:
            job = await r.broker.submit(job_request(task("exit 0", nodes=2)))
            await r.until("it ends", lambda: r.job_state(job) == "SUCCEEDED")
            assert r.broker.managed_job(job).attempt == 1
            assert len(r.cloud.requests) == 2, "no other machine was bought for it"

    run(scenario())


def test_not_for_ever_and_then_it_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "ROOM_S", 0.1)

    async def scenario():
        async with Running(str(tmp_path / "data"), FullCloud(protocol.StartJob, 1 << 30)) as r:
            job = await r.broker.submit(job_request(task("exit 0")))
            await r.until("it ends", lambda: r.job_state(job) == "FAILED")
            assert "No space left on device" in r.broker.managed_job(job).why

    run(scenario())
