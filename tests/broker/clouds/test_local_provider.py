"""A local instance's life and death, in every way its processes can be held together."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import stat
import time

import pytest

from tradewind.broker.clouds.local.containment import MARK
from tradewind.broker.clouds.local.directory import InstanceDirectory
from tradewind.broker.clouds.local.market import REASON
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.broker.clouds.local.run_directory import make_run_directory, remove_run_directory
from tradewind.broker.provider import ProviderError


def alive(marker: str) -> list[str]:
    """Processes whose command line holds the marker."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in command and int(pid) != os.getpid():
            found.append(command)
    return found


def pids_of(root, instance_id: str) -> list[int]:
    mark = f"{MARK}={root}/instances/{instance_id}".encode()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in read(pid, "environ")]


def read(pid: int, name: str) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def kill_host(root, instance_id: str) -> None:
    """The machine is gone: its host, and not the `unshare` above it that only waits."""
    (host,) = [
        pid
        for pid in pids_of(root, instance_id)
        if any(w.endswith(b"host.py") for w in read(pid, "cmdline")[:6]) and b"unshare" not in read(pid, "cmdline")[0]
    ]
    os.kill(host, signal.SIGKILL)


async def until(claim, what: str, deadline_s: float = 10) -> None:
    deadline = time.monotonic() + deadline_s
    while not claim():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)


ESCAPEES = """
setsid sleep 98{n}1 &
(setsid bash -c 'setsid sleep 98{n}2 & exec sleep 98{n}3' &)
env -i setsid sleep 98{n}4 &
(env -i setsid sleep 98{n}5 &)
trap '' TERM HUP INT
exec sleep 98{n}6
"""


def test_terminate_ends_every_process(provider, ask, run, tmp_path):
    marker = f"sleep 98{os.getpid()}"

    async def scenario():
        instance = await provider.launch(ask(), "t")
        transport = await provider.connect(instance)
        await transport.start(["bash", "-c", ESCAPEES.format(n=os.getpid())], log="x.log")
        await until(lambda: sum(command.startswith("sleep") for command in alive(marker)) == 6, "six sleepers")
        await provider.terminate("i-one")
        assert alive(marker) == []
        assert pids_of(tmp_path, "i-one") == []
        assert await provider.describe({}) == []
        await provider.terminate("i-one")

    run(scenario())


def test_the_host_killed_by_hand_is_noticed_at_once_and_leaves_nothing(provider, ask, run, tmp_path):
    async def scenario():
        instance = await provider.launch(ask("i-kill"), "t")
        transport = await provider.connect(instance)
        await transport.start(["bash", "-c", "(setsid sleep 1000 &); exec sleep 1000"], log="x.log")
        watching = asyncio.create_task(provider.watch(instance))
        await asyncio.sleep(0.05)
        before = time.monotonic()
        kill_host(tmp_path, "i-kill")
        why = await watching
        assert time.monotonic() - before < 1.0
        assert why == "its host process was killed"
        assert pids_of(tmp_path, "i-kill") == []
        (seen,) = await provider.describe({"id": "i-kill"})
        assert (seen.state, seen.reason) == ("TERMINATED", why)
        with pytest.raises(ProviderError, match="does not run"):
            await provider.connect(instance)

    run(scenario())


def test_a_reclaim_comes_at_its_second_without_any_daemon(provider, ask, run, tmp_path, way):
    async def scenario():
        await provider.launch(ask(), "t")
        at = time.time() + 0.4
        await provider.reclaim_at("i-one", at)
        other = LocalProvider(str(tmp_path / "instances"), containment=way)  # what a restarted daemon has
        (instance,) = await other.describe({})
        assert instance.state == "RUNNING"
        assert await other.watch(instance) == REASON
        assert at <= time.time() < at + 1.0
        (instance,) = await other.describe({})
        assert (instance.state, instance.reason) == ("TERMINATED", REASON)
        assert pids_of(tmp_path, "i-one") == []

    run(scenario())


def test_the_outer_cap_ends_an_instance_that_nobody_cares_for(best_provider, ask, run):
    async def scenario():
        instance = await best_provider.launch(ask(), "t")
        await best_provider.lease("i-one", time.time() - 60 + 0.3)
        assert await best_provider.watch(instance) == "its lease ran out"

    run(scenario())


def test_the_same_token_after_the_end_is_the_same_ended_instance(best_provider, ask, run):
    async def scenario():
        instance = await best_provider.launch(ask(), "t")
        await best_provider.reclaim_at("i-one", 0)
        await best_provider.watch(instance)
        again = await best_provider.launch(ask(), "t")
        assert (again.instance_id, again.state) == ("i-one", "TERMINATED")
        with pytest.raises(ProviderError, match="another token"):
            await best_provider.launch(ask(), "u")

    run(scenario())


def test_nothing_of_the_callers_environment_goes_along(best_provider, ask, run, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "squeamish")
    inherited, other = os.pipe()  # a descriptor that a shell left open for its children
    os.set_inheritable(inherited, True)

    async def scenario():
        transport = await best_provider.connect(await best_provider.launch(ask(), "t"))
        result = await transport.run(["bash", "-c", "env; ls /proc/1/fd /proc/self/fd"])
        assert b"squeamish" not in result.stdout
        assert b"HOME=" + transport.home.encode() in result.stdout
        for pid in pids_of(tmp_path, "i-one"):
            targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert os.readlink(f"/proc/self/fd/{inherited}") not in targets

    try:
        run(scenario())
    finally:
        os.close(inherited)
        os.close(other)


def test_only_the_user_can_look_inside(best_provider, ask, run, tmp_path):
    async def scenario():
        await best_provider.launch(ask(), "t")
        for path in ("instances", "instances/i-one", "instances/i-one/home"):
            assert stat.S_IMODE(os.stat(tmp_path / path).st_mode) == 0o700
        for path in ("host.sock", "request.json", "alive.lock"):
            assert stat.S_IMODE(os.stat(tmp_path / "instances/i-one" / path).st_mode) & 0o077 == 0

    run(scenario())


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 200])
def test_an_instance_cannot_be_named_out_of_its_directory(best_provider, ask, run, name):
    with pytest.raises(ProviderError, match="cannot name an instance"):
        run(best_provider.launch(ask(name), "t"))


def test_a_market_without_capacity(tmp_path, ask, run):
    provider = LocalProvider(str(tmp_path / "i"), refuses=lambda request: f"no room for {request.instance_id}")

    async def scenario():
        with pytest.raises(ProviderError, match="no room for i-one") as caught:
            await provider.launch(ask(), "t")
        blocked = provider.classify(caught.value)
        assert (blocked.kind, blocked.scope) == ("capacity", "zone")
        assert await provider.describe({}) == []

    run(scenario())


def test_removal_manages_folders_without_write_permission(best_provider, ask, run, tmp_path):
    async def scenario():
        transport = await best_provider.connect(await best_provider.launch(ask(), "t"))
        made = await transport.run(
            ["bash", "-c", "umask; mkdir -p a/b; touch a/b/c; ln -s / a/b/d; chmod 500 a/b; chmod 0 a"]
        )
        assert made.stdout == b"0022\n"
        await best_provider.terminate("i-one")
        assert os.listdir(tmp_path / "instances") == []

    run(scenario())


def test_a_start_that_fails_says_what_the_host_said(best_provider, ask, run, monkeypatch, tmp_path):
    broken = tmp_path / "clouds" / "local" / "host.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("raise SystemExit('no such luck')")
    monkeypatch.setattr("tradewind.broker.clouds.local.spawn._HOST", str(broken))
    with pytest.raises(ProviderError, match="no such luck"):
        run(best_provider.launch(ask(), "t"))


def test_its_sockets_have_a_short_private_place_that_goes_with_it(best_provider, ask, run, own_run_directory):
    async def scenario():
        transport = await best_provider.connect(await best_provider.launch(ask(), "t"))
        place = (await transport.run(["bash", "-c", "echo -n $XDG_RUNTIME_DIR"])).stdout.decode()
        assert place.startswith(own_run_directory)
        assert len(place) < 70
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
        await transport.run(["bash", "-c", "mkdir $XDG_RUNTIME_DIR/x; touch $XDG_RUNTIME_DIR/x/y"])
        await best_provider.terminate("i-one")
        assert os.path.basename(place) not in os.listdir(os.path.dirname(place))

    run(scenario())


def test_a_place_for_sockets_that_others_can_enter_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    instance = tmp_path / "i-one"
    instance.mkdir()
    open_to_all = tmp_path / "instance-x"
    open_to_all.mkdir(mode=0o755)
    (instance / "run").symlink_to(open_to_all)
    with pytest.raises(ProviderError, match="closed to others"):
        make_run_directory(str(instance))


def test_a_link_that_a_job_put_there_is_not_followed(tmp_path):
    instance, precious = tmp_path / "i-one", tmp_path / "precious"
    for path in (instance, precious):
        path.mkdir()
    (instance / "run").symlink_to(precious)
    remove_run_directory(str(instance))
    assert precious.exists()


def test_watching_one_that_is_terminated(best_provider, ask, run):
    async def scenario():
        instance = await best_provider.launch(ask(), "t")
        watching = asyncio.create_task(best_provider.watch(instance))
        await asyncio.sleep(0.05)
        await best_provider.terminate("i-one")
        assert await watching in {"it was terminated", "its host process was killed"}

    run(scenario())


def test_a_data_directory_that_cannot_be_written_is_one_sentence(tmp_path, ask, run):
    (tmp_path / "file").write_text("")
    provider = LocalProvider(str(tmp_path / "file" / "instances"))
    for call in (provider.check, lambda: provider.launch(ask(), "t")):
        with pytest.raises(ProviderError, match="cannot be made") as caught:
            run(call())
        assert provider.classify(caught.value).kind == "capacity"


def test_launches_that_are_given_up_leave_nothing(provider, ask, run, tmp_path):
    """The caller goes away at any moment and terminates at once; the thread that was starting the host goes on."""

    async def one(n: int) -> None:
        launching = asyncio.create_task(provider.launch(ask(f"i-{n}"), f"t-{n}"))
        await asyncio.sleep(n * 0.0008)
        launching.cancel()
        with contextlib.suppress(asyncio.CancelledError, ProviderError):
            await launching
        await provider.terminate(f"i-{n}")

    async def scenario():
        await provider.check()
        await asyncio.gather(*(one(n) for n in range(40)))
        await asyncio.sleep(0.1)  # threads that were still starting one
        await asyncio.gather(*(provider.terminate(f"i-{n}") for n in range(40)))

    run(scenario())
    assert os.listdir(tmp_path / "instances") == []


def test_a_launch_that_a_full_disk_refuses_leaves_nothing(best_provider, ask, run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(InstanceDirectory, "write_intent", full)

    async def scenario():
        with pytest.raises(ProviderError, match="found no place in .*: No space left on device"):
            await best_provider.launch(ask("i-1"), "token")
        assert os.listdir(tmp_path / "instances") == []

    run(scenario())
