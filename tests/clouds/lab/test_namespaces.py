"""The lab itself: hosts answer, are apart from this machine, and die in both ways."""

from __future__ import annotations

import asyncio
import pathlib
import socket
import time
from collections.abc import Callable

import pytest

from clouds.lab.doors import IPTABLES, Door, cut_off, knocks, set_doors
from clouds.lab.namespaces import ROOT, Host, Lab
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_transport import Endpoint, SshTransport, connect


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> KeyRing:
    return KeyRing(str(tmp_path / "data"))


def boot(lab: Lab, keys: KeyRing, *addresses: str) -> Host:
    host = lab.host(
        addresses, user="tradewind", authorized=(keys.login().public,), host_key=keys.host(addresses[0]).private
    )
    host.wait_ssh()
    return host


async def reach(host: Host, keys: KeyRing) -> SshTransport:
    endpoint = Endpoint(
        host=host.addresses[-1], user="tradewind", host_keys=(keys.host(host.addresses[0]).public,), cloud="lab"
    )
    return await connect(endpoint, keys.login().private, deadline_s=15)


def test_hosts_are_machines_of_their_own(lab: Lab, keys: KeyRing) -> None:
    one = boot(lab, keys, "172.31.7.1", "54.200.7.1")
    two = boot(lab, keys, "172.31.7.2", "54.200.7.2")

    async def scenario() -> None:
        first, second = await reach(one, keys), await reach(two, keys)
        try:
            assert first.home == "/home/tradewind"
            seen = await first.script(
                f"hostname; id -un; ls -A /root /tmp {ROOT} | grep -c -v -e : -e '^$'; ls /proc | grep -c '^[0-9]'"
            )
            name, user, visible, processes = seen.stdout.decode().split()
            assert (name, user) == (one.name, "tradewind")
            assert int(visible) <= 2, seen.stdout
            assert int(processes) < 20
            assert (
                await first.run(
                    [
                        "python3",
                        "-c",
                        "import msgspec, cryptography; import importlib.util as u; print(u.find_spec('tradewind'))",
                    ]
                )
            ).stdout == b"None\n"
            await second.script(
                "cat > /tmp/server.py <<'X'\nimport socket\ns=socket.create_server(('0.0.0.0', 7000))\nc,_=s.accept(); c.sendall(b'hello'); c.close()\nX"
            )
            await second.start(["python3", "/tmp/server.py"], log="server.log")
            call = "import socket,time\nfor _ in range(100):\n  try: print(socket.create_connection(('172.31.7.2',7000),5).recv(5)); break\n  except OSError: time.sleep(.05)"
            assert (await first.run(["python3", "-c", call])).stdout == b"b'hello'\n"
        finally:
            await asyncio.gather(first.close(), second.close())

    asyncio.run(scenario())
    one.remove()
    two.remove()


@pytest.mark.skipif(not IPTABLES, reason="no iptables here: apt-get install iptables")
def test_a_kill_is_seen_at_once_and_a_loss_of_power_and_a_cut_by_silence(lab: Lab, keys: KeyRing) -> None:
    one = boot(lab, keys, "172.31.8.1", "54.200.8.1")
    two = boot(lab, keys, "172.31.8.2", "54.200.8.2")
    three = boot(lab, keys, "172.31.8.3", "54.200.8.3")

    async def until_lost(host: Host, die: Callable[[], None]) -> float:
        transport = await reach(host, keys)
        lost = asyncio.create_task(transport.wait_lost())
        await transport.run(["true"])
        started = time.monotonic()
        await asyncio.to_thread(die)
        async with asyncio.timeout(15):
            await lost
        await transport.close()
        return time.monotonic() - started

    async def scenario() -> list[float]:
        dying = ((one, one.kill), (two, two.lose_power), (three, lambda: cut_off(three)))
        return await asyncio.gather(*(until_lost(host, die) for host, die in dying))

    killed_s, silent_s, cut_s = asyncio.run(scenario())
    assert killed_s < 1.0
    assert silent_s < 5.5
    assert cut_s < 5.5
    for host in (one, two, three):
        host.remove()


def test_a_machine_that_boots_again_has_its_disk_and_new_addresses(lab: Lab, keys: KeyRing) -> None:
    host = boot(lab, keys, "172.31.7.5", "54.200.7.5")

    async def write() -> None:
        line = await reach(host, keys)
        await line.script("echo kept > ~/note; echo lost > /tmp/note")
        await line.close()

    async def read() -> bytes:
        line = await reach(host, keys)
        try:
            return (await line.script("cat ~/note; cat /tmp/note 2>&1 | grep -c No")).stdout
        finally:
            await line.close()

    pinned = keys.host("172.31.7.5").public
    asyncio.run(write())
    host.reboot(("172.31.7.5", "54.200.7.6"))
    host.wait_ssh()
    assert keys.host(host.addresses[0]).public == pinned
    assert asyncio.run(read()) == b"kept\n1\n"
    host.kill()


@pytest.mark.skipif(not IPTABLES, reason="no iptables here: apt-get install iptables")
def test_only_an_open_door_lets_in(lab: Lab, keys: KeyRing) -> None:
    inside, friend, stranger = (boot(lab, keys, f"172.31.7.{n}") for n in (11, 12, 13))
    listening = inside.inside(lambda: socket.create_server(("172.31.7.11", 7070)))
    with listening:
        set_doors(
            inside, [Door("172.31.7.13", (22, 22), opens=False), Door("172.31.7.12"), Door("0.0.0.0/0", (22, 22))]
        )
        assert knocks(friend, "172.31.7.11", 7070)
        assert not knocks(stranger, "172.31.7.11", 7070)
        assert not knocks(stranger, "172.31.7.11", 22)
        set_doors(inside, [Door("172.31.7.13", (7000, 7100))])
        assert knocks(stranger, "172.31.7.11", 7070)
        assert not knocks(friend, "172.31.7.11", 7070)
    for host in (inside, friend, stranger):
        host.kill()
