"""Checkpoints from an agent's store on an instance to ours and back, by way of a transport that runs commands on this machine."""

from __future__ import annotations

import asyncio
import os
import pathlib
import subprocess

import pytest

from tests.broker.harness import run
from tradewind.agent.checkpoints.entries import scan
from tradewind.agent.checkpoints.file_store import FileStore
from tradewind.broker.clouds.local.mirror import mirror
from tradewind.broker.provider import RunResult
from tradewind.broker.provision import relay


class Here:
    """A transport to a directory of this machine; `lose_after` commands it breaks."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = str(home)
        self.lose_after = 10**9
        self.tampers = False

    async def run(self, argv, *, env=None, timeout_s=60):
        self.lose_after -= 1
        if self.lose_after < 0:
            raise relay.RelayError("the line is cut")
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=False)
        out = done.stdout[::-1] if self.tampers and argv[0] == "dd" else done.stdout
        return RunResult(exit_code=done.returncode, stdout=out, stderr=done.stderr)

    async def put(self, source, target, *, leave_out=None, told=None):
        await asyncio.to_thread(mirror, source, target, home=self.home)


@pytest.fixture
def instance(tmp_path):
    return Here(tmp_path / "instance")


@pytest.fixture
def uri(tmp_path):
    return f"file://{tmp_path}/data/checkpoints/7"


def kept(instance, uri, job_dir, names):
    """The agent keeps these entries, as it would."""
    place = relay.store_on_instance(instance.home, uri).removeprefix("file://")
    store = FileStore(f"{place}/rank-0")
    for name in names:
        (job_dir / name).write_bytes(name.encode() * 1000)
        assert store.keep(scan(str(job_dir))[name], str(job_dir / name))
    return store


def test_there_and_back(instance, uri, tmp_path):
    job_dir = tmp_path / "job"
    job_dir.mkdir()
    kept(instance, uri, job_dir, ["step-1", "step-2"])

    async def scenario():
        assert await relay.pull(instance, uri, 0) == 12000
        assert await relay.pull(instance, uri, 0) == 0, "what is here is not fetched again"
        other = Here(tmp_path / "other")
        await relay.push(other, uri, 0)
        store = FileStore(relay.store_on_instance(other.home, uri).removeprefix("file://") + "/rank-0")
        restored = await asyncio.to_thread(store.restore, str(tmp_path / "restored"))
        assert restored.names == ("step-1", "step-2")
        assert restored.damaged == ()
        assert (tmp_path / "restored" / "step-2").read_bytes() == b"step-2" * 1000

    run(scenario())


def test_nothing_kept_is_nothing_fetched(instance, uri):
    async def scenario():
        assert await relay.pull(instance, uri, 0) == 0
        await relay.push(instance, uri, 0)

    run(scenario())
    assert not os.path.exists(instance.home)


def test_a_line_that_breaks_leaves_what_was_there_whole(instance, uri, tmp_path):
    job_dir = tmp_path / "job"
    job_dir.mkdir()
    kept(instance, uri, job_dir, ["step-1"])

    async def scenario():
        await relay.pull(instance, uri, 0)
        kept(instance, uri, job_dir, ["step-2"])
        instance.lose_after = 1
        with pytest.raises(relay.RelayError):
            await relay.pull(instance, uri, 0)

    run(scenario())
    restored = FileStore(uri.removeprefix("file://") + "/rank-0").restore(str(tmp_path / "restored"))
    assert restored.names == ("step-1",)
    assert restored.damaged == ()


def test_other_bytes_than_the_agent_kept_are_refused(instance, uri, tmp_path):
    job_dir = tmp_path / "job"
    job_dir.mkdir()
    store = kept(instance, uri, job_dir, [])
    (job_dir / "step-1").write_bytes(b"abc")
    assert store.keep(scan(str(job_dir))["step-1"], str(job_dir / "step-1"))
    instance.tampers = True

    async def scenario():
        with pytest.raises(relay.RelayError, match="another content than the agent kept"):
            await relay.pull(instance, uri, 0)

    run(scenario())
