"""Machines on this computer: what each has of its own, and that nothing of them stays, however they or their maker end."""

from __future__ import annotations

import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.broker.clouds.yards import end_all, left_of, needs_limits, needs_login, needs_namespaces
from tradewind.broker.clouds.local import cgroup, network
from tradewind.broker.clouds.local.containment import first_process
from tradewind.broker.clouds.local.host_client import unix_socket
from tradewind.broker.clouds.local.isolation import Isolation
from tradewind.broker.clouds.local.machines import Machine, Yard
from tradewind.broker.provider import ProviderError

WAYS: list = [pytest.param("namespaces", marks=needs_namespaces), "processes"]


@pytest.fixture
def yard(tmp_path: pathlib.Path) -> Iterator[Yard]:
    made = Yard(str(tmp_path))
    yield made
    end_all(made)


def stand(yard: Yard, count: int, way: Isolation) -> list[Machine]:
    with yard.locked():
        return yard.make_standing(count, way, vcpus=1, memory_gib=0.5)


def log_in(yard: Yard, machine: Machine, command: str) -> subprocess.CompletedProcess[str]:
    known = pathlib.Path(yard._data_dir, "known")
    known.write_text(f"{machine.name} {yard.host_key(machine)}\n")
    return subprocess.run(
        ["ssh", "-F", "none", "-i", yard.login_key_path(), "-p", str(machine.port), "-o", f"HostKeyAlias={machine.name}"]
        + ["-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
        + [machine.address, command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@needs_login
@pytest.mark.parametrize("way", WAYS)
def test_each_has_its_own_address_and_sshd(yard: Yard, way: Isolation) -> None:
    machines = stand(yard, 2, way)
    assert [machine.name for machine in machines] == ["machine-1", "machine-2"]
    assert len({machine.address for machine in machines}) == 2
    for machine in machines:
        done = log_in(yard, machine, "pwd; echo $SSH_CONNECTION | cut -d' ' -f3; hostname")
        home, address, hostname = done.stdout.split()
        assert home == f"{yard._data_dir}/machines/{machine.name}/home"
        assert address == machine.address
        assert (hostname == machine.name) == (way == "namespaces")
    assert stand(yard, 3, way)[:2] == machines, "what stands is left alone"


@needs_login
@pytest.mark.parametrize("way", WAYS)
def test_only_the_key_of_the_data_directory_is_let_in(yard: Yard, way: Isolation, tmp_path: pathlib.Path) -> None:
    (machine,) = stand(yard, 1, way)
    assert log_in(yard, machine, "true").returncode == 0
    other = Yard(str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    refused = subprocess.run(
        ["ssh", "-F", "none", "-i", other.login_key_path(), "-p", str(machine.port), "-o", "StrictHostKeyChecking=no"]
        + ["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
        + [machine.address, "true"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr


@needs_namespaces
def test_a_machine_sees_its_own_processes_and_network_only(yard: Yard) -> None:
    (machine,) = stand(yard, 1, "namespaces")
    pid = first_process(yard._directory(machine.name))
    assert pid is not None
    for kind in ("net", "pid", "mnt", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")


@needs_limits
@pytest.mark.parametrize("way", WAYS)
def test_its_processors_and_memory_are_limited(yard: Yard, way: Isolation) -> None:
    (machine,) = stand(yard, 1, way)
    files = {name: pathlib.Path(group, name) for group in machine.cgroups for name in os.listdir(group)}
    if "cpu.max" in files:
        assert files["cpu.max"].read_text().split() == ["100000", "100000"]
        assert int(files["memory.max"].read_text()) == 512 << 20
    else:
        assert int(files["cpu.cfs_quota_us"].read_text()) == 100_000
        assert int(files["memory.limit_in_bytes"].read_text()) == 512 << 20
    assert files["cgroup.procs"].read_text().split(), "its processes are inside"


@needs_namespaces
def test_a_killed_machine_is_found_and_swept(yard: Yard) -> None:
    machines = stand(yard, 2, "namespaces")
    pid = first_process(yard._directory("machine-1"))
    assert pid is not None
    descriptor = os.pidfd_open(pid)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)
    while not yard._directory("machine-1").lock_is_free():
        time.sleep(0.005)  # bounded by the test's own time limit
    assert [machine.name for machine in yard.standing()] == ["machine-2"]
    assert "machine machine-1" in yard.leftovers([])
    with yard.locked():
        yard.sweep([])
        assert yard.leftovers([]) == []
        yard.end("machine-2")
    assert yard.standing() == []
    assert left_of(yard) == []
    assert stand(yard, 2, "namespaces") == machines, "they can be made anew, at the same addresses"


CUT_OFF = """
import os, signal, sys
from tradewind.broker.clouds.local import {module}
from tradewind.broker.clouds.local.machines import Yard
real = {module}.{function}
def cut_off(*args, **kwargs):
    if {after}:
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
{module}.{function} = cut_off
yard = Yard(sys.argv[1])
with yard.locked():
    yard.make_standing(2, "namespaces", vcpus=1, memory_gib=0.5)
"""


@needs_namespaces
@pytest.mark.parametrize(
    ("module", "function", "after"),
    [
        pytest.param("cgroup", "make", True, marks=needs_limits),
        ("machines", "spawn", False),
        ("machines", "spawn", True),
        ("network", "open_bridge", True),
        ("network", "plug_in", True),
        ("machines", "wait_for_sshd", False),
    ],
)
def test_a_maker_that_is_killed_leaves_nothing_that_is_not_found(
    yard: Yard, module: str, function: str, after: bool
) -> None:
    script = CUT_OFF.format(module=module, function=function, after=after)
    done = subprocess.run([sys.executable, "-c", script, yard._data_dir], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert yard.standing() == [], "half a machine is no machine"
    with yard.locked():
        yard.sweep([])
    assert left_of(yard) == []


@needs_namespaces
def test_what_cannot_be_made_leaves_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradewind.broker.clouds.local import machines

    monkeypatch.setattr(machines, "write_sshd", lambda *_args, **_kwargs: ["/nonexistent/sshd"])
    with pytest.raises(ProviderError, match="sshd"):
        stand(yard, 1, "namespaces")
    assert left_of(yard) == []


@needs_namespaces
def test_a_machine_whose_files_are_removed_ends_itself_and_its_bridge_is_swept(
    yard: Yard, tmp_path: pathlib.Path
) -> None:
    lost = Yard(str(tmp_path / "lost"))
    (tmp_path / "lost").mkdir()
    (machine,) = stand(lost, 1, "namespaces")
    pid = first_process(lost._directory(machine.name))
    assert pid is not None
    ending, run = os.pidfd_open(pid), os.readlink(tmp_path / "lost/machines/machine-1/run")
    with unix_socket(lost._directory(machine.name).host_socket) as host:
        shutil.rmtree(tmp_path / "lost")
        host.sendall(b'{"op": "watch"}\n')  # any word wakes it; by itself it looks once a minute
        assert select.select([ending], [], [], 30)[0]
    os.close(ending)
    bridge = network.bridge_name(lost.tag)
    while network.exists(machine.link):  # the kernel frees a namespace's cable a moment later
        time.sleep(0.005)
    assert bridge in network.abandoned_bridges()
    assert yard.leftovers([]) == [], "it is not this data directory's"
    yard.sweep_abandoned()
    assert not network.exists(bridge)
    assert cgroup.found(lost.tag) == []
    shutil.rmtree(run)  # the way to it is lost with the files; /tmp is cleared at the next start
