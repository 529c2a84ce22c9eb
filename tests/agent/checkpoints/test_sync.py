"""Keeping a store in step: soon after completion, never half of one, and back on the next node."""

from __future__ import annotations

import asyncio
import os
import time

from tradewind.agent.checkpoints.entries import Entry
from tradewind.agent.checkpoints.store import Restoration, StoreError
from tradewind.agent.checkpoints.sync import CheckpointSync
from tradewind.agent.protocol import CancelJob, CheckpointSynced, Restored, StartJob, SyncCheckpoints


class Shelf:
    """A store in memory that remembers what was asked of it."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.forgotten: list[str] = []
        self.broken = ""

    def keep(self, entry: Entry, source: str) -> bool:
        if self.broken:
            raise StoreError(self.broken)
        self.kept.append(entry.name)
        return True

    def forget(self, name: str) -> None:
        self.forgotten.append(name)

    def restore(self, directory: str) -> Restoration:
        return Restoration((), "", ())


def make(tmp_path, shelf, deaf=0):
    said: list[str] = []

    def hear(why: str) -> bool:
        said.append(why)
        return len(said) > deaf

    return CheckpointSync(str(tmp_path), shelf, synced=lambda name, _: None, failed=hear), said


def test_two_looks_at_the_same_before_it_is_copied(tmp_path, run):
    shelf = Shelf()
    sync, _ = make(tmp_path, shelf)

    async def scenario():
        (tmp_path / "x").write_bytes(b"1")
        await sync.sync_now()
        assert shelf.kept == []
        (tmp_path / "x").write_bytes(b"12")  # still being written, in place
        await sync.sync_now()
        assert shelf.kept == []
        await sync.sync_now()
        await sync.sync_now()
        assert shelf.kept == ["x"]
        (tmp_path / "x").write_bytes(b"123")
        (tmp_path / "y.tmp").write_bytes(b"1")
        await sync.sync_now(settled=True)
        assert shelf.kept == ["x", "x"]
        os.unlink(tmp_path / "x")
        await sync.sync_now()
        assert shelf.forgotten == ["x"]

    run(scenario())


def test_a_store_that_fails_is_said_once_and_tried_again(tmp_path, run):
    shelf = Shelf()
    shelf.broken = "the disk is full"
    sync, said = make(tmp_path, shelf)
    (tmp_path / "x").write_bytes(b"1")

    async def scenario():
        sync.start({})
        while not said:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert said == ["the disk is full"]
        shelf.broken = ""
        while not shelf.kept:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await sync.stop()

    run(scenario())


def test_what_could_not_be_said_is_said_again(tmp_path, run):
    """The job's log may lie on the same full disk."""
    shelf = Shelf()
    shelf.broken = "the disk is full"
    sync, said = make(tmp_path, shelf, deaf=2)
    (tmp_path / "x").write_bytes(b"1")

    async def scenario():
        sync.start({})
        while len(said) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        shelf.broken = ""
        while not shelf.kept:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await sync.stop()
        assert said == ["the disk is full"] * 3

    run(scenario())


SAVER = """
python - <<'END'
import time
from tradewind import checkpoint
step, state = checkpoint.latest() or (0, {"sum": 0})
print("from", step, flush=True)
for step in range(step + 1, step + 4):
    checkpoint.save(step, {"sum": state["sum"] + step})
    print("saved", time.time(), flush=True)
    time.sleep(0.6)
time.sleep(1000)
END
"""


def test_a_job_goes_on_from_its_checkpoint_on_the_next_node(agent, run, fact_of, tmp_path):
    uri = f"file://{tmp_path}/store"

    async def scenario():
        client = await agent.connect()
        await client.call(StartJob("1-1", "run", SAVER, checkpoint_uri=uri))
        assert await fact_of(client, Restored) == Restored("1-1", 0, "")
        delays = []
        events = client.subscribe()
        async for event in events:
            if isinstance(event.fact, CheckpointSynced):
                delays.append(time.time() - os.stat(f"{agent.home}/checkpoints/1-1/rank-0/{event.fact.name}").st_mtime)
                if len(delays) == 3:
                    break
        await events.aclose()
        assert sorted(delays)[1] < 0.6
        agent.kill()  # the whole instance, as far as this store is concerned
        await client.close()
        agent.start()
        client = await agent.connect(configure=False)
        await client.call(StartJob("2-1", "run", SAVER, checkpoint_uri=uri))
        assert await fact_of(client, Restored, "2-1") == Restored("2-1", 3, "step-000000000003.pkl")
        async for piece in client.read_log("2-1", follow=True):
            assert piece.startswith(b"from 3\n")
            break
        await client.call(SyncCheckpoints("2-1"))
        await client.call(CancelJob("2-1", 0))
        await client.close()

    run(scenario())


def test_the_end_of_a_job_is_said_after_its_last_checkpoint_is_kept(agent, run, end_of, tmp_path):
    async def scenario():
        client = await agent.connect()
        script = "echo done > $TRADEWIND_CHECKPOINT_DIR/final"
        await client.call(StartJob("1-1", "run", script, checkpoint_uri=f"file://{tmp_path}/store"))
        await end_of(client, "1-1")
        assert list((tmp_path / "store/rank-0/copies").glob("*-final/final"))
        await client.close()

    run(scenario())


def test_damage_is_said_in_the_jobs_log(agent, run, end_of, tmp_path):
    async def scenario():
        client = await agent.connect()
        uri = f"file://{tmp_path}/store"
        await client.call(StartJob("1-1", "run", "echo a > $TRADEWIND_CHECKPOINT_DIR/x", checkpoint_uri=uri))
        await end_of(client, "1-1")
        (copy,) = (tmp_path / "store/rank-0/copies").glob("*-x/x")
        copy.write_text("b\n")
        await client.call(StartJob("2-1", "run", "ls $TRADEWIND_CHECKPOINT_DIR", checkpoint_uri=uri))
        log = b"".join([piece async for piece in client.read_log("2-1", follow=True)])
        assert log.startswith(b"tradewind: checkpoint x (copy 1) in the store is damaged")
        assert b"\nx\n" not in log
        await client.close()

    run(scenario())


def test_a_file_that_is_renamed_into_place_is_copied_at_once_however_often_it_is_replaced(tmp_path, run):
    shelf = Shelf()
    sync, _ = make(tmp_path, shelf)

    async def scenario():
        for number in range(3):
            (tmp_path / "x.tmp").write_bytes(b"%d" % number)
            os.utime(tmp_path / "x.tmp", (1.0, 1.0 + number))  # as if written a while ago: a clock's tick may be 10 ms
            os.replace(tmp_path / "x.tmp", tmp_path / "x")
            await sync.sync_now()
            assert shelf.kept == ["x"] * (number + 1), "no two looks see the same"
        (tmp_path / "y").write_bytes(b"1")
        await sync.sync_now()
        assert "y" not in shelf.kept, "it may still be written"

    run(scenario())


def test_of_a_program_that_was_ended_only_what_was_renamed_is_copied(tmp_path, run):
    shelf = Shelf()
    sync, _ = make(tmp_path, shelf)

    async def scenario():
        (tmp_path / "in-place").write_bytes(b"half")
        await sync.sync_now()
        (tmp_path / "x.tmp").write_bytes(b"1")
        os.utime(tmp_path / "x.tmp", (1.0, 1.0))
        os.replace(tmp_path / "x.tmp", tmp_path / "x")
        await sync.sync_renamed()
        assert shelf.kept == ["x"]

    run(scenario())
