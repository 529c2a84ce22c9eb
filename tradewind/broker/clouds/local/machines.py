"""Machines on this computer that instances come to: each with an address, an sshd and a share of the processors and memory.

    <data_dir>/machines/              0700
        .lock                         flock of whoever makes, ends or lends one
        .network.json                 the bridge and its subnet, once chosen
        <name>/                       as an instance's directory (directory.py), and
            machine.json              what it is; written before anything is started
            ready                     its network and sshd are up
            login                     link to the home that a login finds: the instance's, or its own
            sshd_config, host_key, authorized_keys, enter, sshd.log

In namespaces a machine is a host (host.py) as the first process of a PID namespace, with a network and a host name of its own; an instance on it is
another host in a PID namespace below, so that all of it ends with the machine. As plain processes it is an address, an sshd and a place for one
instance. Either lives until it is ended or this computer is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Iterator, Sequence

import msgspec

from tradewind.broker.clouds.local import cgroup, network
from tradewind.broker.clouds.local.containment import Containment, contained, end_processes, first_process
from tradewind.broker.clouds.local.directory import InstanceDirectory, instance_ids, remove_leftovers
from tradewind.broker.clouds.local.errors import CLOUD, refusal
from tradewind.broker.clouds.local.host_client import ask_host
from tradewind.broker.clouds.local.isolation import Isolation, program, why_no_login
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.clouds.local.run_directory import remove_run_directory
from tradewind.broker.clouds.local.spawn import host_command, host_environment, spawn
from tradewind.broker.clouds.local.sshd import wait_for_sshd, write_sshd
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.catalog.offer import Offer

MACHINES = "machines"
STANDING = "machine-"  # machine-1, machine-2, ...
FOR_INSTANCE = "of-"  # a machine that is made for one instance and ends with it
_START_DEADLINE_S = 15.0
_TASK_MEMORY_GIB = 4.0  # what a task needs that does not say (spec)
# inside its namespaces, before the host: a name of its own that resolves
_NAMED = 'hostname "$1"; mount --bind "$2" /etc/hosts 2>/dev/null; shift 2; exec "$@"'


class Machine(msgspec.Struct, frozen=True):
    """One machine. `cgroups` are the directories of its limits, `no_limits` and `no_login` say why it has none of either ("" when it has)."""

    name: str
    number: int
    address: str
    isolation: Isolation
    vcpus: float
    memory_gib: float
    port: int = 22
    link: str = ""
    cgroups: tuple[str, ...] = ()
    no_limits: str = ""
    no_login: str = ""

    @property
    def stands(self) -> bool:
        """Whether it was made by `local up`, and stays when an instance ends."""
        return self.name.startswith(STANDING)

    @property
    def shape(self) -> str:
        """The name of machines like this one, as an instance type."""
        return f"{self.vcpus:g}cpu-{self.memory_gib:g}gb"


class Yard:
    """The machines of one data directory. Every method may block; those that change something are called inside `locked`."""

    def __init__(self, data_dir: str) -> None:
        self._data_dir = os.path.abspath(data_dir)
        self._root = os.path.join(self._data_dir, MACHINES)
        self._keys = KeyRing(self._data_dir)
        self._children: dict[str, int] = {}  # first processes that this process started, for reaping
        self.tag = hashlib.sha256(os.path.realpath(self._data_dir).encode()).hexdigest()[:8]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else makes, ends or lends a machine meanwhile."""
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        descriptor = os.open(os.path.join(self._root, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def machines(self) -> list[Machine]:
        """Every machine that was begun and not ended, by number."""
        found = [machine for name in instance_ids(self._root) if (machine := self.find(name)) is not None]
        return sorted(found, key=lambda machine: machine.number)

    def standing(self) -> list[Machine]:
        """The machines of `local up` that are up."""
        return [machine for machine in self.machines() if machine.stands and self.is_up(machine)]

    def find(self, name: str) -> Machine | None:
        """The machine of that name."""
        try:
            with open(os.path.join(self._root, name, "machine.json"), "rb") as file:
                return msgspec.json.decode(file.read(), type=Machine)
        except (OSError, msgspec.DecodeError):
            return None

    def is_up(self, machine: Machine) -> bool:
        """Whether an instance can come to it."""
        directory = self._directory(machine.name)
        return os.path.exists(os.path.join(directory.path, "ready")) and not directory.lock_is_free()

    def host_key(self, machine: Machine) -> str:
        """The public host key of its sshd, one line without the host."""
        return " ".join(self._keys.host(machine.name).public.split()[:2])

    def login_key_path(self) -> str:
        """The file of the private key that the machines let in."""
        self._keys.login()
        return self._keys.private_path

    def make_standing(
        self, count: int, isolation: Isolation, *, vcpus: float | None = None, memory_gib: float | None = None
    ) -> list[Machine]:
        """machine-1 to machine-<count> are up, and what stood before still does; all that stand. New ones are like those that stand, else as
        `share` says, unless their processors and GiB are given. Raises ProviderError.
        """
        standing = self.standing()
        like = (standing[0].vcpus, standing[0].memory_gib) if standing else share(count)
        for number in range(1, count + 1):
            self.make(
                f"{STANDING}{number}",
                isolation,
                vcpus=like[0] if vcpus is None else vcpus,
                memory_gib=like[1] if memory_gib is None else memory_gib,
            )
        return self.standing()

    # -- making and ending ------------------------------------------------------------------------------------------------------------

    def make(self, name: str, isolation: Isolation, *, vcpus: float, memory_gib: float) -> Machine:
        """The machine of that name, up; one that was begun and is not up is ended first. Raises ProviderError."""
        known = self.find(name)
        if known is not None and self.is_up(known):
            return known
        self.end(name)
        try:
            machine = self._plan(name, isolation, vcpus=vcpus, memory_gib=memory_gib)
            self._bring_up(machine)
        except BaseException as error:
            self.end(name)
            if isinstance(error, OSError):
                raise refusal("start-failed", f"the machine {name} could not be made: {error}") from error
            raise
        return machine

    def end(self, name: str) -> None:
        """No process, cable, limit or file of that machine is left; it never was is fine. Raises ProviderError."""
        machine, directory = self.find(name), self._directory(name)
        if not os.path.isdir(directory.path):
            return
        if not end_processes(directory):
            raise refusal("time-out", f"the machine {name} still has processes after SIGKILL; try again")
        if (child := self._children.pop(name, None)) is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)  # it has ended: it must not stay a zombie
        if machine is not None:
            if machine.link:
                network.remove_link(machine.link)
            try:
                cgroup.remove(machine.cgroups or self._groups_of(name))
            except OSError as error:
                raise refusal("time-out", f"the limits of the machine {name} are still in use: {error}") from error
        remove_run_directory(directory.path)
        directory.remove()
        if not instance_ids(self._root):
            self._close_network()

    def lend(self, machine: Machine, home: str) -> None:
        """Logins find that home; its own again with ""."""
        directory = self._directory(machine.name)
        link = os.path.join(directory.path, "login")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link + ".partial")
        os.symlink(home or directory.home, link + ".partial")
        os.replace(link + ".partial", link)

    def inside(self, machine: Machine, way: Containment, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` as the first process of an instance on the machine, within its limits. Raises ProviderError."""
        if machine.isolation == "processes":
            return cgroup.joined(machine.cgroups, contained(way, list(argv)))
        pid = first_process(self._directory(machine.name))
        if pid is None:
            raise refusal("start-failed", f"the machine {machine.name} has ended; `tradewind local up` makes it anew")
        enter = [program("nsenter"), "-t", str(pid), "--mount", "--uts", "--net", "--pid", "--"]
        return cgroup.joined(machine.cgroups, [*enter, *contained("pid-namespace", list(argv))])

    # -- what is left over ------------------------------------------------------------------------------------------------------------

    def leftovers(self, used: Sequence[str]) -> list[str]:
        """Machines that have ended or serve none of the instances `used` and were made for one; limits and a bridge without machines."""
        if not os.path.isdir(self._root):
            return []
        kept = {m.name for m in self.machines() if self.is_up(m) and (m.stands or m.name in used)}
        kept |= {name for name in instance_ids(self._root) if name in used}
        names = [f"machine {name}" for name in instance_ids(self._root) if name not in kept]
        names += [f"limits {path}" for path in cgroup.found(self.tag) if os.path.basename(path) not in kept]
        bridge = network.bridge_name(self.tag)
        return [*names, *([f"bridge {bridge}"] if network.exists(bridge) and not kept else [])]

    def sweep(self, used: Sequence[str]) -> list[str]:
        """Remove what `leftovers` names; returns it. Raises ProviderError."""
        names = self.leftovers(used)
        for kind, _, name in (one.partition(" ") for one in names):
            if kind == "machine":
                self.end(name)
            elif kind == "limits":
                with contextlib.suppress(OSError):
                    cgroup.remove([name])
        if not instance_ids(self._root):
            self._close_network()
        remove_leftovers(self._root)
        return names

    @staticmethod
    def sweep_abandoned() -> list[str]:
        """Remove bridges and limits of data directories that are gone, whose machines have ended by themselves; the bridges' names. Raises ProviderError."""
        names = network.abandoned_bridges()
        for name in names:
            network.remove_link(name)
            with contextlib.suppress(OSError):
                cgroup.remove(cgroup.found(network.tag_of(name)))
        return names

    # -- parts ------------------------------------------------------------------------------------------------------------------------

    def _directory(self, name: str) -> InstanceDirectory:
        return InstanceDirectory(self._root, name)

    def _groups_of(self, name: str) -> list[str]:
        return [path for path in cgroup.found(self.tag) if os.path.basename(path) == name]

    def _plan(self, name: str, isolation: Isolation, *, vcpus: float, memory_gib: float) -> Machine:
        """What the machine will be, with a number that no other has."""
        taken = {machine.number for machine in self.machines()}
        wanted = name.removeprefix(STANDING)
        number = int(wanted) if wanted.isdigit() and int(wanted) not in taken else 0
        number = number or next(n for n in range(1, 10_000) if n not in taken)
        if number > network.MOST_MACHINES:
            raise refusal("bad-request", f"at most {network.MOST_MACHINES} machines can stand here")
        link, port = "", 22
        if isolation == "namespaces":
            address, link = self._network().address(number), f"v{self.tag}-{number}"
        else:
            digest = bytes.fromhex(self.tag)
            address = f"127.{1 + digest[0] % 254}.{digest[1]}.{number}"
            port = _free_port(address)
        groups, no_limits = self._limits(name, vcpus, memory_gib)
        return Machine(
            name, number, address, isolation, vcpus, memory_gib, port, link, groups, no_limits, no_login=why_no_login()
        )

    def _limits(self, name: str, vcpus: float, memory_gib: float) -> tuple[tuple[str, ...], str]:
        try:
            return cgroup.make(self.tag, name, vcpus=vcpus, memory_gib=memory_gib), ""
        except OSError as error:
            return (), f"cgroups cannot be written: {error.strerror or error}"

    def _bring_up(self, machine: Machine) -> None:
        directory = self._directory(machine.name)
        directory.create()
        _write(os.path.join(directory.path, "machine.json"), msgspec.json.encode(machine))
        self.lend(machine, "")
        lock = directory.try_lock()
        if lock is None:
            raise refusal("start-failed", f"the machine {machine.name} is being made by somebody else")
        try:
            command, environment = self._command(machine, directory), host_environment(directory)
            self._children[machine.name] = spawn(directory, command, environment, lock)
        finally:
            os.close(lock)
        self._wait_for_host(directory)
        if machine.isolation == "namespaces":
            pid = first_process(directory)
            if pid is None:
                raise refusal("start-failed", f"the machine {machine.name} ended while it started")
            network.open_bridge(self._network(), self._data_dir)
            network.plug_in(self._network(), machine.link, pid, machine.number)
        if not machine.no_login:
            self._start_sshd(machine, directory)
        _write(os.path.join(directory.path, "ready"), b"")

    def _command(self, machine: Machine, directory: InstanceDirectory) -> list[str]:
        host = host_command(directory, 0)
        if machine.isolation == "processes":
            return cgroup.joined(machine.cgroups, host)
        hosts = os.path.join(directory.path, "hosts")
        lines = (f"127.0.0.1 localhost\n::1 localhost\n{machine.address} {machine.name}\n").encode()
        _write(hosts, lines)
        named = ["/bin/sh", "-c", _NAMED, "sh", machine.name, hosts, *host]
        unshare = [program("unshare"), "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        return cgroup.joined(machine.cgroups, [*unshare, *named])

    def _start_sshd(self, machine: Machine, directory: InstanceDirectory) -> None:
        log = os.path.join(directory.path, "sshd.log")
        argv = write_sshd(
            directory.path,
            address=machine.address,
            port=machine.port,
            host_key=self._keys.host(machine.name).private,
            authorized=self._keys.login().public,
        )
        asyncio.run(ask_host(directory, {"op": "start", "argv": argv, "env": {}, "log": log}))
        wait_for_sshd(machine.address, machine.port, log)

    def _wait_for_host(self, directory: InstanceDirectory) -> None:
        deadline = time.monotonic() + _START_DEADLINE_S
        while not directory.has_started():
            if directory.lock_is_free() or time.monotonic() > deadline:
                said = _read(directory.host_log)[-400:].strip()
                raise refusal(
                    "start-failed", f"the machine {directory.instance_id} did not start: {said or 'it said nothing'}"
                )
            time.sleep(0.005)

    def _network(self) -> network.Network:
        path = os.path.join(self._root, ".network.json")
        with contextlib.suppress(OSError, msgspec.DecodeError), open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=network.Network)
        chosen = network.choose_network(self.tag, network.routed_networks())
        _write(path, msgspec.json.encode(chosen))
        return chosen

    def _close_network(self) -> None:
        bridge = network.bridge_name(self.tag)
        if network.exists(bridge):
            network.remove_link(bridge)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._root, ".network.json"))


def share(count: int) -> tuple[float, float]:
    """Processors and GiB of each of `count` machines: all the processors, which they compete for, and an even share of the memory, but a task's due."""
    here = this_machine()
    memory_gib = here.memory_gib or 1.0
    return here.vcpus or 1.0, round(max(memory_gib / count, min(memory_gib, _TASK_MEMORY_GIB)), 1)


def offer_of(machine: Machine) -> Offer:
    """What machines like this one offer, free of charge."""
    here = this_machine()
    return msgspec.structs.replace(
        here, instance_type=machine.shape, vcpus=machine.vcpus, memory_gib=machine.memory_gib, region=CLOUD, zone=CLOUD
    )


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _write(path: str, data: bytes) -> None:
    with open(path + ".partial", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".partial", path)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
