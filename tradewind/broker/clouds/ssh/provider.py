"""Machines of one's own as a `Provider`: an instance is a machine's slot, taken; its home is a directory of its own there."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from tradewind.broker.capabilities import Finding, Login
from tradewind.broker.clouds.ssh import discovery, slots
from tradewind.broker.clouds.ssh.errors import CLOUD, classify, refusal
from tradewind.broker.clouds.ssh.machines import Machine, load_machines
from tradewind.broker.clouds.ssh.slots import Slot
from tradewind.broker.clouds.vendor_session import unguarded
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, ProviderError, RunResult, Transport
from tradewind.broker.provision.ssh_transport import Prepare, SshTransport, connect, prepared
from tradewind.catalog.offer import Offer

T = TypeVar("T")
INSTANCE_TAG = "tradewind-instance"
REACH_S = 10.0  # a machine that is on answers in well under a second
LOST = frozenset({"SshLost", "SshTimeout"})


class SshProvider:
    """The machines of the list at `path` (`<data_dir>/ssh_machines.yaml` by custom).

    `ledger_dir` is where this data directory remembers which machine each of its instances has: one that is switched off then counts as
    unreachable, not as gone. `prepare` runs on every connection that `connect` hands out.
    """

    name = CLOUD

    def __init__(self, path: str, *, ledger_dir: str, prepare: Prepare | None = None, reach_s: float = REACH_S) -> None:
        self._path, self._ledger_dir, self._prepare, self._reach_s = path, ledger_dir, prepare, reach_s
        self._lines: dict[str, SshTransport] = {}  # machine name -> the connection that orders go over
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._capacities: dict[str, discovery.Capacity] = {}
        self._check: Callable[[], None] = unguarded
        self._begun: set[str] = (
            set()
        )  # instances that this process has looked for a machine for: what is remembered of them is true

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called before every order to a machine, and what it raises keeps the order from being given."""
        self._check = check

    # -- looking ----------------------------------------------------------------------------------------------------------------------

    async def check(self) -> str:
        """Say in one sentence what works. Raises ProviderError when no machine does."""
        findings = await self.report()
        good = [f.what for f in findings if f.ok]
        if not good:
            raise refusal("NoMachineWorks", "; ".join(f"{f.what}: {f.why}" for f in findings))
        bad = [f"{f.what}: {f.why}" for f in findings if not f.ok]
        return f"{len(good)} of {len(findings)} machines answer" + (f"; {'; '.join(bad)}" if bad else "")

    async def report(self) -> tuple[Finding, ...]:
        """What every machine answers."""
        try:
            machines = self.machines()
        except ProviderError as error:
            return (Finding(what=self._path, ok=False, why=error.message),)

        async def look(machine: Machine) -> Finding:
            try:
                capacity = await self.capacity(machine)
                held = await self._slot(machine)
            except ProviderError as error:
                return Finding(what=machine.name, ok=False, why=error.message, mend=f"ssh {machine.endpoint}")
            return Finding(what=machine.name, ok=True, why=f"{capacity.shape}, {_held_by(held) if held else 'free'}")

        return tuple(await asyncio.gather(*map(look, machines)))

    def machines(self) -> tuple[Machine, ...]:
        """The list as it stands now. Raises ProviderError."""
        return load_machines(self._path)

    async def capacity(self, machine: Machine) -> discovery.Capacity:
        """What the machine has; asked once. Raises ProviderError."""
        if machine.name not in self._capacities:
            said = await self._script(machine, discovery.SCRIPT)
            self._capacities[machine.name] = discovery.parse_capacity(said)
        return self._capacities[machine.name]

    async def offers(self) -> list[Offer]:
        """One offer for each pool and shape of the machines that answer; those that do not are left out. Raises ProviderError."""
        found = await self._shapes()
        return sorted({discovery.offer_of(machine, capacity) for machine, capacity in found}, key=repr)

    async def _shapes(self) -> list[tuple[Machine, discovery.Capacity]]:
        machines = self.machines()
        answers = await asyncio.gather(*(self.capacity(m) for m in machines), return_exceptions=True)
        found = []
        for machine, answer in zip(machines, answers, strict=True):
            if isinstance(answer, discovery.Capacity):
                found.append((machine, answer))
            elif not isinstance(answer, ProviderError):
                raise answer
        return found

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every slot with these tags. Raises ProviderError when a machine that one of ours has does not answer; others may be switched off."""
        machines = self.machines()
        ours = self._remembered()
        wanted = ours.get(tags.get(INSTANCE_TAG, ""))
        asked = [m for m in machines if wanted in {None, m.name}]
        answers = await asyncio.gather(*(self._slot(m) for m in asked), return_exceptions=True)
        found = []
        for machine, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, BaseException):
                self._forget_but(machine, answer, ours)
            if isinstance(answer, Slot) and slots.carries(answer, tags):
                found.append(await self._instance(machine, answer))
            elif isinstance(answer, ProviderError):
                if machine.name in ours.values():
                    raise answer
            elif isinstance(answer, BaseException):
                raise answer
        return found

    def classify(self, error: ProviderError) -> Blocked:
        """What the error covers, and for how long."""
        return classify(error)

    # -- lending ----------------------------------------------------------------------------------------------------------------------

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        """A free machine like the offer's is lent to the request. Raises ProviderError "Busy" that names who holds each."""
        if request.use_spot:
            raise refusal("Unsupported", "machines of one's own have no spot market; ask for them on demand")
        slot = Slot(request.instance_id, token, dict(request.tags), request.lease_until_unix)
        remembered = self._remembered().get(request.instance_id)
        shapes = await self._shapes()
        candidates = [m for m, c in shapes if _fits(m, c, request.offer)]
        candidates.sort(key=lambda m: (m.name != remembered, m.name))  # one that an earlier call took comes first
        if not candidates:
            where = f"{request.offer.instance_type} in the pool {request.offer.region}"
            raise refusal("NoMachine", f"no machine like {where} answers now")
        async with self._locks[f"token {token}"]:
            self._begun.add(request.instance_id)
            return await self._lend(candidates, slot)

    async def _lend(self, candidates: Sequence[Machine], slot: Slot) -> Instance:
        """The machine among these that the slot's token has, or the first that it gets. Raises ProviderError "Busy"."""
        answers = await asyncio.gather(*map(self._slot, candidates), return_exceptions=True)
        remembered, holders, free = self._remembered().get(slot.instance_id), [], []
        for machine, held in zip(candidates, answers, strict=True):
            if isinstance(held, Slot) and held.token == slot.token:
                return await self._instance(machine, held)
            if isinstance(held, BaseException):
                if not isinstance(held, ProviderError) or machine.name == remembered:
                    raise held  # that one may have been taken by an earlier call
                holders.append(f"{machine.name} does not answer: {held.message}")
            else:
                free.append(machine)
        for machine in free:
            self._remember(slot.instance_id, machine.name)
            taken = await self._take(machine, slot)
            if taken.token == slot.token:
                return await self._instance(machine, taken)
            holders.append(f"{machine.name} is {_held_by(taken)}")
        self._forget(slot.instance_id)
        raise refusal("Busy", "; ".join(holders))

    async def _take(self, machine: Machine, slot: Slot) -> Slot:
        """Who holds the machine after we tried to."""
        held = await self._try_take(machine, slot)
        if held.token != slot.token:
            freed = await self._order(await self._line(machine), slots.break_stale(held))
            if freed.exit_code == 0:
                held = await self._try_take(machine, slot)
        return held

    async def _try_take(self, machine: Machine, slot: Slot) -> Slot:
        held = slots.decode(await self._script(machine, slots.take(slot)))
        if held is None:
            raise refusal(
                "NoMachine", f"the slot file of {machine.name} is not one of ours; remove ~/.tradewind/slot.json there"
            )
        return held

    async def terminate(self, provider_id: str) -> None:
        """No process of the instance is left on its machine, its home is gone, the slot is free. Raises ProviderError."""
        name, _, instance_id = provider_id.partition("/")
        machine = next((m for m in self.machines() if m.name == name), None)
        if machine is None:
            raise refusal(
                "NoMachine", f"{name} is no longer in {self._path}; put it back until {instance_id} has ended"
            )
        await self._script(machine, slots.end(instance_id))
        self._forget(instance_id)

    async def write_off(self, provider_id: str) -> None:
        """As `Lending` says."""
        name, _, instance_id = provider_id.partition("/")
        self._capacities.pop(name, None)
        self._forget(instance_id)

    def why_not_stop(self, *, use_spot: bool) -> str:  # noqa: ARG002  there is one market
        """They are their owner's."""
        return "machines of your own are not switched off by tradewind"

    async def stop(self, provider_id: str) -> None:
        """Refused: a machine of one's own is not switched off for its owner."""
        raise refusal(
            "Unsupported", f"{provider_id} is a machine of your own: tradewind does not switch it off; use down"
        )

    async def start(self, provider_id: str) -> None:
        """Refused, as `stop` is."""
        raise refusal("Unsupported", f"{provider_id} is a machine of your own: tradewind does not switch it on")

    async def lease(self, provider_id: str, until_unix: float) -> None:
        """The slot says the new end of the lease. Raises ProviderError."""
        machine, slot = await self._held(provider_id)
        await self._script(
            machine, slots.move_lease(slot.instance_id, msgspec.structs.replace(slot, lease_until_unix=until_unix))
        )

    # -- using ------------------------------------------------------------------------------------------------------------------------

    async def connect(self, instance: Instance) -> Transport:
        """A transport to the instance's own home on its machine. Raises ProviderError."""
        machine, slot = await self._held(instance.provider_id)
        endpoint = msgspec.structs.replace(machine.endpoint, home=slots.home_of(slot.instance_id))
        return await prepared(await connect(endpoint, None, deadline_s=self._reach_s), self._prepare)

    def lines_to(self, provider_id: str) -> int:
        """One once the machine has been asked anything."""
        return int(provider_id.partition("/")[0] in self._lines)

    async def login(self, provider_id: str) -> Login:
        """The machine as its owner reaches it, and the instance's home there. Raises ProviderError when it is not lent to the instance."""
        machine, slot = await self._held(provider_id)
        at = machine.endpoint
        return Login(
            host=at.host,
            port=at.port,
            user=at.user,
            identity_file=at.identity_file,
            host_key=" ".join(at.host_keys[0].split()[:2]) if at.host_keys else "",
            home=slots.home_of(slot.instance_id),
        )

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        """Nothing to open: the machines' own firewalls are their owner's."""

    async def aclose(self) -> None:
        """Every connection is closed."""
        lines, self._lines = list(self._lines.values()), {}
        await asyncio.gather(*(line.close() for line in lines))

    # -- the machines' slots ----------------------------------------------------------------------------------------------------------

    async def _held(self, provider_id: str) -> tuple[Machine, Slot]:
        name, _, instance_id = provider_id.partition("/")
        for machine in self.machines():
            if machine.name == name:
                slot = await self._slot(machine)
                if slot is not None and slot.instance_id == instance_id:
                    return machine, slot
        raise refusal("NoMachine", f"{name} is not lent to {instance_id} (any more)")

    async def _slot(self, machine: Machine) -> Slot | None:
        return slots.decode(await self._script(machine, slots.READ))

    async def _script(self, machine: Machine, script: str) -> str:
        """What the script printed on the machine. Raises ProviderError."""

        async def once(line: SshTransport) -> str:
            done = await self._order(line, script)
            if done.exit_code != 0:
                said = " ".join(done.stderr.decode(errors="replace").split())[:300]
                raise refusal("SshStart", f"{machine.name} refused an order: {said or f'exit code {done.exit_code}'}")
            return done.stdout.decode(errors="replace")

        return await self._on_line(machine, once)

    async def _order(self, line: SshTransport, script: str) -> RunResult:
        """What became of the script. Nothing runs that `guard` refuses."""
        self._check()
        return await line.script(script, timeout_s=60)

    async def _on_line(self, machine: Machine, work: Callable[[SshTransport], Awaitable[T]]) -> T:
        """`work` over the machine's connection, made anew once if it turns out to be lost (every script here may run twice)."""
        try:
            return await work(await self._line(machine))
        except ProviderError as error:
            if error.code not in LOST:
                raise
            await self._drop(machine)
            return await work(await self._line(machine))

    async def _line(self, machine: Machine) -> SshTransport:
        async with self._locks[f"line {machine.name}"]:
            if machine.name not in self._lines:
                self._lines[machine.name] = await connect(machine.endpoint, None, deadline_s=self._reach_s)
            return self._lines[machine.name]

    async def _drop(self, machine: Machine) -> None:
        line = self._lines.pop(machine.name, None)
        if line is not None:
            await line.close()

    async def _instance(self, machine: Machine, slot: Slot) -> Instance:
        return Instance(
            instance_id=slot.instance_id,
            provider_id=f"{machine.name}/{slot.instance_id}",
            state="RUNNING",
            address=(await self.capacity(machine)).address or machine.endpoint.host,
            tags=slot.tags,
        )

    # -- what this data directory remembers: instance id -> machine -------------------------------------------------------------------

    def _remembered(self) -> dict[str, str]:
        try:
            names = os.listdir(self._ledger_dir)
        except FileNotFoundError:
            return {}
        found = {}
        for name in (n for n in names if not n.endswith(".partial")):
            try:
                with open(os.path.join(self._ledger_dir, name), encoding="utf-8") as file:
                    found[name] = file.read().strip()
            except FileNotFoundError:
                continue
        return found

    def _remember(self, instance_id: str, machine: str) -> None:
        os.makedirs(self._ledger_dir, mode=0o700, exist_ok=True)
        path = os.path.join(self._ledger_dir, instance_id)
        with open(path + ".partial", "w", encoding="utf-8") as file:
            file.write(machine)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".partial", path)

    def _forget_but(self, machine: Machine, held: Slot | None, ours: Mapping[str, str]) -> None:
        """What is remembered of the machine is what it says: of a launch that died before it took the slot nothing stays."""
        for instance_id in [known for known, name in ours.items() if name == machine.name]:
            if instance_id not in self._begun and (held is None or held.instance_id != instance_id):
                self._forget(instance_id)

    def _forget(self, instance_id: str) -> None:
        self._begun.discard(instance_id)
        try:
            os.unlink(os.path.join(self._ledger_dir, instance_id))
        except FileNotFoundError:
            return


def _fits(machine: Machine, capacity: discovery.Capacity, offer: Offer) -> bool:
    return (machine.pool, discovery.instance_type(machine, capacity)) == (offer.region, offer.instance_type)


def _held_by(slot: Slot) -> str:
    cluster = slot.tags.get("tradewind-cluster", slot.instance_id)
    owner = slot.tags.get("tradewind-owner", "somebody")
    return f"lent to {cluster} of {owner}"
