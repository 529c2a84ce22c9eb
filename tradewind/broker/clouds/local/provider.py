"""Local processes as instances: what `infra: local` and every rehearsal launch."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from tradewind.broker.capabilities import Finding, Login
from tradewind.broker.clouds.local import errors
from tradewind.broker.clouds.local.containment import Containment, best_containment, contained, end_processes
from tradewind.broker.clouds.local.directory import InstanceDirectory, Intent, instance_ids, remove_leftovers
from tradewind.broker.clouds.local.errors import refusal
from tradewind.broker.clouds.local.host_client import ask_host, connect_unix
from tradewind.broker.clouds.local.isolation import Wanted, means
from tradewind.broker.clouds.local.machine import THIS_MACHINE, this_machine
from tradewind.broker.clouds.local.machines import FOR_INSTANCE, Machine, Yard
from tradewind.broker.clouds.local.market import REASON
from tradewind.broker.clouds.local.run_directory import remove_run_directory
from tradewind.broker.clouds.local.spawn import host_command, host_environment, spawn
from tradewind.broker.clouds.local.sshd import login_user
from tradewind.broker.clouds.local.transport import LocalTransport
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, ProviderError
from tradewind.catalog.offer import Offer

CLUSTER_TAG = "tradewind-cluster"
_NUMBERED = re.compile(r"-c\d+\Z")  # a request names its cluster by name and number
_START_DEADLINE_S = 10.0
_END_DEADLINE_S = 10.0
# The host ends itself this long after the lease: the agent, which also keeps the lease, has had time for a last checkpoint.
_OUTER_CAP_MARGIN_S = 60.0


class LocalProvider:
    """Implements `Provider`, `Watching` and `Rehearsing` with directories below `instances_dir` and processes of this machine.

    One daemon at a time uses a directory. Instances outlive it: a new provider on the same directory finds and controls them.
    """

    name = errors.CLOUD

    def __init__(
        self,
        instances_dir: str,
        *,
        containment: Containment | None = None,
        refuses: Callable[[LaunchRequest], str | None] | None = None,
        isolation: Callable[[], Wanted] = lambda: "auto",
    ) -> None:
        """`containment` None takes the strongest that works here. `refuses` plays a market without capacity: a sentence refuses a launch.

        `isolation` is asked at each launch: with "namespaces" every instance gets a machine of its own for its life.
        """
        self._root = os.path.abspath(instances_dir)
        self._yard = Yard(os.path.dirname(self._root))
        self._isolation = isolation
        self._containment = containment
        self._refuses = refuses
        self._launching = asyncio.Lock()
        self._children: dict[str, int] = {}  # hosts started by this process, for reaping

    async def check(self) -> str:
        """Say how instances are held together here. Raises ProviderError where this machine cannot carry any."""
        if not sys.platform.startswith("linux"):
            raise refusal("unsupported", f"local instances need Linux, and this is {sys.platform}")
        self._make_root()
        how = {
            "pid-namespace": "in PID namespaces",
            "user-namespace": "in PID namespaces of a user namespace",
            "plain": "as plain processes (no PID namespaces here: what clears its environment may outlive its instance)",
        }[await self._way()]
        return f"local: instances are processes of this machine, {how}, in {self._root}"

    async def report(self) -> tuple[Finding, ...]:
        """What `check` says, and what machines of `local up` are here; nothing of the latter is needed."""
        try:
            found = Finding(what="instances", ok=True, why=await self.check())
        except ProviderError as error:
            return (Finding(what="instances", ok=False, why=error.message),)
        here = await asyncio.to_thread(means)
        return found, *here.findings()

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        """Start one instance; a second call with the same token returns the first one's instance, running or ended."""
        way = await self._way()
        async with self._launching:
            self._make_root()
            directory = self._directory_of_token(token) or InstanceDirectory(self._root, request.instance_id)
            intent = directory.read_intent()
            if intent is not None and intent.token != token:
                raise refusal(
                    "bad-request", f"instance {request.instance_id} exists and was launched with another token"
                )
            if intent is None and self._refuses is not None and (why := self._refuses(request)):
                raise refusal("no-capacity", why)
            if intent is None or not directory.has_started():
                await asyncio.to_thread(self._start, directory, way, request, token, intent)
        await self._until_started(directory)
        return self._describe(directory)

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every instance that carries all of `tags`; an ended one is listed until it is terminated."""
        self._reap()
        self._make_root()
        found = []
        for instance_id in instance_ids(self._root):
            directory = InstanceDirectory(self._root, instance_id)
            intent = directory.read_intent()
            if intent is not None and tags.items() <= intent.request.tags.items():
                found.append(self._describe(directory, intent))
        return found

    def why_not_stop(self, *, use_spot: bool) -> str:  # noqa: ARG002  spot is only played here
        """They are processes."""
        return "local instances run or end"

    async def stop(self, provider_id: str) -> None:
        """Never possible: raises ProviderError "unsupported"."""
        raise refusal(
            "unsupported", f"instance {provider_id} cannot be stopped: local instances run or end; terminate it"
        )

    async def start(self, provider_id: str) -> None:
        """Never possible: raises ProviderError "unsupported"."""
        raise refusal("unsupported", f"instance {provider_id} cannot be started again: local instances run or end")

    async def terminate(self, provider_id: str) -> None:
        """End every process of the instance and remove its directory; done already is fine."""
        directory = InstanceDirectory(self._root, provider_id)
        intent = directory.read_intent()
        await asyncio.to_thread(self._end, directory)
        await asyncio.to_thread(self._leave_machine, intent.machine if intent else "", provider_id)
        self._reap()
        await asyncio.to_thread(remove_leftovers, self._root)

    async def connect(self, instance: Instance) -> LocalTransport:
        """A transport to a running instance. Raises ProviderError "ended" where nothing lives."""
        directory = InstanceDirectory(self._root, instance.provider_id)
        if directory.lock_is_free():
            raise refusal("ended", f"instance {instance.instance_id} does not run: {directory.why_ended()}")
        return LocalTransport(directory)

    async def login(self, provider_id: str) -> Login:
        """The sshd of the machine that the instance is on. Raises ProviderError where it has none."""
        intent = InstanceDirectory(self._root, provider_id).read_intent()
        machine = self._yard.find(intent.machine) if intent is not None and intent.machine else None
        if machine is None:
            raise refusal(
                "unsupported",
                "it runs as processes of this computer, which have no sshd; `tradewind local up` makes machines that have",
            )
        if machine.no_login:
            raise refusal("unsupported", f"{machine.name} has no sshd ({machine.no_login})")
        return Login(
            host=machine.address,
            port=machine.port,
            user=login_user(),
            identity_file=self._yard.login_key_path(),
            host_key=self._yard.host_key(machine),
        )

    async def leftovers(self, tags: Mapping[str, str], *, but_of: Collection[str] = ()) -> list[str]:  # noqa: ARG002  as above
        """What is left of machines that serve nothing: none of it is a cluster's, for a cluster's machine ends with its instance."""
        if CLUSTER_TAG in tags:
            return []
        return await asyncio.to_thread(lambda: self._yard.leftovers(list(self.machines_used())))

    async def sweep(self, tags: Mapping[str, str]) -> list[str]:
        """Remove what `leftovers` names. Raises ProviderError."""
        if CLUSTER_TAG in tags or not await self.leftovers(tags):
            return []

        def swept() -> list[str]:
            with self._yard.locked():
                return self._yard.sweep(list(self.machines_used()))

        async with self._launching:
            return await asyncio.to_thread(swept)

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        """Nothing to do: loopback addresses are reached from this machine as they are."""

    async def lease(self, provider_id: str, until_unix: float) -> None:
        """Move the second at which the host ends itself, agent or no agent, to a minute after the lease."""
        directory = InstanceDirectory(self._root, provider_id)
        await ask_host(directory, {"op": "cap", "until_unix": until_unix + _OUTER_CAP_MARGIN_S})

    def classify(self, error: ProviderError) -> Blocked:
        """What the error covers, and for how long."""
        return errors.classify(error, time.time())

    async def watch(self, instance: Instance) -> str:
        """Return, as soon as the instance has ended, why it did. All its processes are gone then."""
        directory = InstanceDirectory(self._root, instance.provider_id)
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await connect_unix(directory.host_socket)
                try:
                    writer.write(b'{"op": "watch"}\n')
                    while await reader.read(4096):
                        pass
                finally:
                    writer.close()
            if await self._is_free_soon(directory):
                break
        await asyncio.to_thread(end_processes, directory)
        self._reap()
        return directory.why_ended()

    async def reclaim_at(self, provider_id: str, at_unix: float) -> None:
        """Have the instance die without a word at that second. Its own host keeps the appointment, so no daemon is needed for it."""
        directory = InstanceDirectory(self._root, provider_id)
        await ask_host(directory, {"op": "reclaim", "at_unix": at_unix, "reason": REASON})

    async def _way(self) -> Containment:
        if self._containment is not None:
            return self._containment
        way = await asyncio.to_thread(best_containment)
        self._containment = way
        return way

    def _make_root(self) -> None:
        try:
            os.makedirs(self._root, mode=0o700, exist_ok=True)
        except OSError as error:
            raise refusal(
                "disk", f"{self._root} cannot be made: {error.strerror}; choose a data directory that can be written"
            ) from error
        state = os.stat(self._root)
        if state.st_uid != os.geteuid():
            raise refusal("not-yours", f"{self._root} belongs to another user; use a directory of your own")
        if stat.S_IMODE(state.st_mode) & 0o077:
            os.chmod(self._root, 0o700)

    def _directory_of_token(self, token: str) -> InstanceDirectory | None:
        for instance_id in instance_ids(self._root):
            directory = InstanceDirectory(self._root, instance_id)
            intent = directory.read_intent()
            if intent is not None and intent.token == token:
                return directory
        return None

    def _start(
        self, directory: InstanceDirectory, way: Containment, request: LaunchRequest, token: str, intent: Intent | None
    ) -> None:
        """Lock, intent, host, in this order; whatever kills this process in between leaves garbage or an instance, never half of one."""
        try:
            directory.create()
            lock = directory.try_lock()
        except OSError as error:
            raise _not_written(directory, error) from error
        if lock is None:
            return  # a host of an earlier launch with this token is just coming up
        try:
            if intent is None or (intent.machine and not self._stands(intent.machine)):
                try:
                    intent = self._write_intent(directory, request, token)
                except ProviderError:
                    if intent is None:
                        directory.remove()  # without an intent it is no instance, and nobody would ever end it
                    raise
            cap = request.lease_until_unix + _OUTER_CAP_MARGIN_S if request.lease_until_unix > 0 else 0
            argv = host_command(directory, cap)
            machine = self._yard.find(intent.machine) if intent.machine else None
            if machine is not None:
                self._yard.lend(machine, directory.home)
            argv = self._yard.inside(machine, way, argv) if machine is not None else contained(way, argv)
            pid = spawn(directory, argv, host_environment(directory), lock)
            self._children[directory.instance_id] = pid
        except OSError as error:
            raise refusal("start-failed", f"instance {directory.instance_id} could not be started: {error}") from error
        finally:
            os.close(lock)

    def _write_intent(self, directory: InstanceDirectory, request: LaunchRequest, token: str) -> Intent:
        """The intent is on disk, and with it the machine is taken where the instance comes to one. Raises ProviderError."""
        try:
            if not self._needs_machine(request.offer):
                intent = Intent(token=token, address=self._free_address(request.instance_id), request=request)
                directory.write_intent(intent)
            else:
                with self._yard.locked():
                    machine = self._machine_for(request)
                    intent = Intent(token=token, address=machine.address, request=request, machine=machine.name)
                    directory.write_intent(intent)
        except OSError as error:
            raise _not_written(directory, error) from error
        return intent

    def _needs_machine(self, offer: Offer) -> bool:
        return _is_of_machine(offer) or self._isolation() == "namespaces"

    def _machine_for(self, request: LaunchRequest) -> Machine:
        """A free machine of the offer's shape, or one made for this instance. Raises ProviderError."""
        if not _is_of_machine(request.offer):
            if why := means().no_namespaces:
                raise refusal("unsupported", f"isolation: namespaces was asked for, and cannot be had: {why}")
            here = this_machine()  # a rehearsed machine may be larger than this computer, or of unknown size
            vcpus = min(request.offer.vcpus or math.inf, here.vcpus or 1)
            memory_gib = min(request.offer.memory_gib or math.inf, here.memory_gib or 1)
            name = FOR_INSTANCE + request.instance_id
            return self._yard.make(name, "namespaces", vcpus=vcpus, memory_gib=memory_gib)
        standing = [machine for machine in self._yard.standing() if machine.shape == request.offer.instance_type]
        used = self.machines_used()
        first = request.rank % max(1, len(standing))  # the nodes of a gang stand in the order of their ranks
        for machine in standing[first:] + standing[:first]:
            if machine.name not in used:
                return machine
        raise refusal("no-machine-free", _why_no_machine(standing, used))

    def _stands(self, name: str) -> bool:
        machine = self._yard.find(name)
        return machine is not None and self._yard.is_up(machine)

    def machines_used(self) -> dict[str, str]:
        """The machines that instances are on -> the cluster of each."""
        used = {}
        for instance_id in instance_ids(self._root):
            intent = InstanceDirectory(self._root, instance_id).read_intent()
            if intent is not None and intent.machine:
                used[intent.machine] = _NUMBERED.sub("", intent.request.cluster)
        return used

    def _leave_machine(self, name: str, instance_id: str) -> None:
        """The machine is free for the next instance; one that was made for this one is gone."""
        made = FOR_INSTANCE + instance_id
        if not name and self._yard.find(made) is None:
            return
        with self._yard.locked():
            machine = self._yard.find(name)
            if machine is not None and machine.stands:
                self._yard.lend(machine, "")
            self._yard.end(made)

    def _end(self, directory: InstanceDirectory) -> None:
        """Every process ended, then the lock taken, then everything removed: a launch that still runs in a thread cannot come in between."""
        deadline = time.monotonic() + _END_DEADLINE_S
        while end_processes(directory) and os.path.isdir(directory.path):
            lock = directory.try_lock()
            if lock is not None:
                try:
                    remove_run_directory(directory.path)
                    directory.remove()
                finally:
                    os.close(lock)
                return
            if time.monotonic() > deadline:
                break
        if os.path.isdir(directory.path):
            raise refusal(
                "time-out",
                f"instance {directory.instance_id} still has processes after SIGKILL; try again, or end them by hand",
            )

    async def _until_started(self, directory: InstanceDirectory) -> None:
        deadline = time.monotonic() + _START_DEADLINE_S
        while not directory.has_started():
            await asyncio.sleep(0.002)
            if directory.lock_is_free() and not directory.has_started():
                said = _tail(directory.host_log)
                raise refusal(
                    "start-failed",
                    f"instance {directory.instance_id} ended while it started: {said or 'it said nothing'}",
                )
            if time.monotonic() > deadline:
                raise refusal(
                    "time-out", f"instance {directory.instance_id} did not come up within {_START_DEADLINE_S:g} s"
                )

    def _describe(self, directory: InstanceDirectory, intent: Intent | None = None) -> Instance:
        intent = intent or directory.read_intent()
        if intent is None:
            raise refusal("no-such-instance", f"there is no instance {directory.instance_id} in {self._root}")
        lives = not directory.lock_is_free()
        return Instance(
            instance_id=intent.request.instance_id,
            provider_id=directory.instance_id,
            state=("RUNNING" if directory.has_started() else "PENDING") if lives else "TERMINATED",
            address=intent.address,
            tags=intent.request.tags,
            zone=intent.request.offer.zone,
            reason="" if lives else directory.why_ended(),
        )

    async def _is_free_soon(self, directory: InstanceDirectory) -> bool:
        """Whether the lock comes free within a moment: a dying instance's does, a starting one's does not."""
        for _ in range(10):
            if directory.lock_is_free():
                return True
            await asyncio.sleep(0.005)
        return False

    def _free_address(self, instance_id: str) -> str:
        """An address of this machine's loopback network that no instance here has; the same one for the same id if it is free."""
        taken = set()
        for other in instance_ids(self._root):
            intent = InstanceDirectory(self._root, other).read_intent()
            if intent is not None:
                taken.add(intent.address)
        attempt = 0
        while True:
            digest = hashlib.sha256(f"{self._root}/{instance_id}/{attempt}".encode()).digest()
            # 127.0.*.* is left to the machine's own services, x.x.x.0 and x.x.x.255 to those who think them special
            address = f"127.{1 + digest[0] % 254}.{digest[1]}.{1 + digest[2] % 254}"
            if address not in taken:
                return address
            attempt += 1

    def _reap(self) -> None:
        """Collect hosts of ours that have ended, so that none stays a zombie."""
        for instance_id, pid in list(self._children.items()):
            try:
                done = os.waitpid(pid, os.WNOHANG)[0] == pid
            except ChildProcessError:
                done = True
            if done:
                del self._children[instance_id]


def _not_written(directory: InstanceDirectory, error: OSError) -> ProviderError:
    return refusal(
        "disk",
        f"instance {directory.instance_id} found no place in {directory.path}: {error.strerror}; free some space",
    )


def _is_of_machine(offer: Offer) -> bool:
    """Whether the offer is of the machines that `local up` made; a rehearsed cloud's is not, and this computer's is not."""
    return offer.cloud == errors.CLOUD and offer.instance_type != THIS_MACHINE


def _why_no_machine(standing: Sequence[Machine], used: Mapping[str, str]) -> str:
    """Why none of these machines can be had, and who has each; one sentence."""
    if not standing:
        return "no machine like that stands on this computer any more"
    held = ", ".join(f"{machine.name} has {used[machine.name]}" for machine in standing if machine.name in used)
    return f"all {len(standing)} machines on this computer are taken ({held})"


def _tail(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()[-500:].strip()
    except OSError:
        return ""
