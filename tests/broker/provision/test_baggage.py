"""What is copied is told in the timeline, when it is much."""

from __future__ import annotations

import pathlib

import msgspec

from tests.broker.harness import Running, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provision.baggage import KIND, Baggage, weigh
from tradewind.broker.store import rows
from tradewind.cli.timeline import line
from tradewind.spec.task import FileMount


def test_it_is_weighed_without_what_stays_behind(tmp_path: pathlib.Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a").write_bytes(b"x" * 10)
    (tmp_path / "b.log").write_bytes(b"x" * 1000)
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "one").write_bytes(b"x" * 7)
    whole = msgspec.structs.replace(
        task("x"), workdir=str(tmp_path), file_mounts=(FileMount("a", str(tmp_path / "one")),)
    )
    assert weigh(whole) == Baggage(4, 10 + 6 + 7 + 7)
    assert weigh(msgspec.structs.replace(task("x"), file_mounts=(FileMount("a", "/nowhere"),))) == Baggage()


def test_much_of_it_is_told(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(b"x" * 2_500_000)

    async def scenario() -> None:
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            for cluster, workdir in (("much", str(source)), ("none", None)):
                await r.broker.launch(
                    launch_request(msgspec.structs.replace(task("exit 0", nodes=2), workdir=workdir), cluster)
                )
                await r.until("it ran", lambda cluster=cluster: r.broker.job(cluster, 1)[1].state == "SUCCEEDED")
            await r.until("it is told", lambda: KIND in r.kinds(subject="cluster/much"))
            (told,) = [event for event in r.store.read(rows.events) if event.kind == KIND]
            assert "copying files     1 file, 2.5 MB, to each of 2 nodes" in line(msgspec.to_builtins(told), told.unix)

    run(scenario())
