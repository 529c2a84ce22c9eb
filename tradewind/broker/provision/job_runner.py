"""Carries out what jobs' machines order on a cluster's nodes, and copies their output into the data directory while they run."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from typing import Any, cast

import msgspec

from tradewind import __version__
from tradewind.agent import protocol
from tradewind.broker.bucket import BucketError
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle.machine import IllegalMove, Instruction
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import bootstrap as boot
from tradewind.broker.provision import checkpoints, relay
from tradewind.broker.provision.agent_client import AgentError, AgentGone, AgentRefused
from tradewind.broker.provision.baggage import announce
from tradewind.broker.provision.job_log import LogBook
from tradewind.broker.provision.job_variables import job_variables
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.secrets import redactor, secrets_of
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import JobRow
from tradewind.broker.store.vault import SecretsUnreadable
from tradewind.spec.settings import HookEvent
from tradewind.spec.task import Task

CANCEL_GRACE_S = 5.0
HOOK_TIMEOUT_S = 60.0  # of a hook that names none
SWEEP_GRACE_S = 0.5  # its program is lost anyway, and a new attempt waits for the place
LOSS_SHOWS_S = (
    0.5  # by then a node's death has been noticed: what killed a peer's program is known before the program is blamed
)
DRAIN_S = 5.0
LOOK_AGAIN_S = (0.02, 0.2)  # for more output of a job that still runs, at first and at most
KEEP_S = 2  # between tries to write what a full disk refuses


def hooks_of(task: Task, event: HookEvent) -> tuple[protocol.Hook, ...]:
    """The task's hooks for the event, as agents run them."""
    return tuple(
        protocol.Hook(script=hook.run, timeout_s=hook.timeout or HOOK_TIMEOUT_S)
        for hook in task.config.hooks
        if event in hook.events
    )


class JobRunner:
    """The jobs of one cluster."""

    def __init__(self, services: Services, cluster_id: int, nodes: dict[str, Node], logs: LogBook) -> None:
        self._services = services
        self._cluster_id = cluster_id
        self._nodes = nodes
        self._logs = logs
        self._collectors: dict[tuple[str, int], asyncio.Task[None]] = {}

    def carry_out(self, job_id: int, instruction: Instruction) -> None:
        """Begin what the instruction says."""
        match instruction:
            case jm.StartPhase():
                work = self._start_phase(job_id, instruction)
            case jm.CheckGang():
                work = self._check_gang(job_id, instruction.cause)
            case jm.EndProcesses():
                work = self._end_processes(job_id, instruction.cause)
            case _:
                raise AssertionError(f"{type(instruction).__name__} is no order for a job")
        self._services.spawn(self._guarded(work, job_id), f"{type(instruction).__name__}-{self._cluster_id}-{job_id}")

    async def _guarded(self, work: Any, job_id: int) -> None:
        try:
            await work
        except IllegalMove as late:
            log.info("job %d-%d: too late: %s", self._cluster_id, job_id, late)
        except (AgentError, ProviderError, relay.RelayError, TimeoutError, OSError) as error:
            log.info("job %d-%d: %s", self._cluster_id, job_id, error)  # whoever watches the node reports it
        except Exception:  # a bug in one order must not take the daemon with it; `cancel` and `down` still work
            log.exception("job %d-%d", self._cluster_id, job_id)

    def resume(self, cause: str) -> None:
        """Go on with every unfinished job, after the daemon was away or the cluster came back."""
        for job in self._services.store.read(lambda c: rows.jobs_of(c, self._cluster_id, unfinished_only=True)):
            for instruction in jm.resume(job.machine, cause):
                self.carry_out(job.id, instruction)
        self._services.spawn(self.start_next(cause), "start-next-job")

    def any_begun(self) -> bool:
        """Whether some job has begun and has not ended."""
        unfinished = self._services.store.read(lambda c: rows.jobs_of(c, self._cluster_id, unfinished_only=True))
        return any(job.state != "PENDING" for job in unfinished)

    async def start_next(self, cause: str) -> None:
        """The oldest waiting job has begun, if the cluster is up and no other job runs."""

        def begin(ledger: Ledger) -> bool:
            cluster = rows.cluster(ledger.connection, self._cluster_id)
            unfinished = rows.jobs_of(ledger.connection, self._cluster_id, unfinished_only=True)
            if cluster is None or cluster.state != "UP" or not unfinished or unfinished[0].state != "PENDING":
                return False
            ledger.job_event(self._cluster_id, unfinished[0].id, jm.Begun(cause=cause))
            return True

        if await self._services.apply(begin):
            await self._services.boundary("job:begun")

    # -- phases -----------------------------------------------------------------------------------------------------------------------

    async def _start_phase(self, job_id: int, order: jm.StartPhase) -> None:
        job = self._job(job_id)
        if job is None or job.state in jm.FINAL:
            return
        await self._services.boundary("job:before-start")
        if job.id > 1 and order.phase == ("setup" if job.machine.setup_ranks else "run"):
            cluster = self._services.store.read(lambda c: rows.cluster(c, self._cluster_id))
            if cluster is not None:
                self._services.spawn(announce(self._services, cluster, job.task, order.cause), "announce-files")
        chosen = sorted((n for n in self._nodes.values() if n.rank < order.ranks), key=lambda n: n.rank)
        await asyncio.gather(*(self._start_on(node, job, order.phase, order.cause) for node in chosen))
        await self._services.boundary("job:started")

    async def _start_on(self, node: Node, job: JobRow, phase: protocol.Phase, cause: str) -> None:
        if job.id > 1 and phase == ("setup" if job.machine.setup_ranks else "run"):
            with self._services.copies.of(self._cluster_id) as told:  # the first job's files came with the bootstrap
                await boot.put_files(node, job.task, self._services.repositories, told)
        script = job.task.setup if phase == "setup" else job.task.run
        try:
            store = await checkpoints.take_there(self._services, node, job) if phase == "run" else ""
            start = protocol.StartJob(
                job_id=job.key,
                phase=phase,
                script=script or "true",
                envs=self._services.trace_envs(job, phase) | self._envs(job),
                checkpoint_uri=store,
                preemption_hooks=hooks_of(job.task, "preemption"),
            )
            secret_envs = self._services.store.read(lambda c: secrets_of(self._services, c, job))
            await boot.call(node.client, msgspec.structs.replace(start, secret_envs=secret_envs))
        except (AgentRefused, SecretsUnreadable, BucketError) as error:
            why = f"{phase} on rank {node.rank} could not be started: {error}"
            ended = jm.PhaseEnded(cause=cause, rank=node.rank, phase=phase, result="FAILED", why=why)
            await self._services.apply(lambda ledger: ledger.job_event(self._cluster_id, job.id, ended))
            return
        self._collect(node, job)

    def _envs(self, job: JobRow) -> dict[str, str]:
        cluster = self._services.store.read(lambda c: rows.cluster(c, self._cluster_id))
        assert cluster is not None, "a job's cluster has a row"
        return job_variables(job, cluster, getpass.getuser())

    async def _check_gang(self, job_id: int, cause: str) -> None:
        """Every node answers and has told all it knew: then the failure was the program's own. A loss is reported by whoever watches."""
        await asyncio.sleep(LOSS_SHOWS_S)
        for node in list(self._nodes.values()):
            await self._all_seen(node)

        def judge(ledger: Ledger) -> None:
            job = rows.job(ledger.connection, self._cluster_id, job_id)
            cluster = rows.cluster(ledger.connection, self._cluster_id)
            if job is not None and cluster is not None and cluster.state == "UP" and job.state not in jm.FINAL:
                ledger.job_event(self._cluster_id, job_id, jm.GangWhole(cause=cause))

        await self._services.apply(judge)

    async def _all_seen(self, node: Node) -> None:
        """Everything that the node's agent has told is in the record. Raises AgentError or TimeoutError when it does not answer."""
        async with asyncio.timeout(boot.ORDER_TIMEOUT_S):
            welcome = await node.client.hello(__version__)
        await node.seen(welcome.last_seq)

    async def _end_processes(self, job_id: int, cause: str) -> None:
        job = self._job(job_id)
        cluster = self._services.store.read(lambda c: rows.cluster(c, self._cluster_id))
        if job is None or cluster is None or cluster.state not in {"UP", "BOOTSTRAPPING", "PREEMPTED"}:
            return  # the cluster's own release ends it
        cancels = (self._cancel_on(node, job.key) for node in list(self._nodes.values()))
        results = await asyncio.gather(*cancels, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, AgentError | TimeoutError):
                raise result
        if job.state == "CANCELLING":
            for node in list(self._nodes.values()):
                await checkpoints.bring_here(node, job)

            def done(ledger: Ledger) -> None:
                now = rows.job(ledger.connection, self._cluster_id, job_id)
                if now is not None and now.state == "CANCELLING":
                    ledger.job_event(self._cluster_id, job_id, jm.CancelDone(cause=cause))

            await self._services.apply(done)

    async def _cancel_on(self, node: Node, key: str, grace_s: float = CANCEL_GRACE_S) -> None:
        with contextlib.suppress(AgentRefused):  # it never ran there
            cancel = protocol.CancelJob(job_id=key, grace_s=grace_s)
            await boot.call(node.client, cancel, grace_s + boot.ORDER_TIMEOUT_S)

    async def sweep(self, node: Node, grace_s: float = SWEEP_GRACE_S) -> None:
        """Nothing runs on the node of jobs that are over here: a gang that broke, or ended while the daemon was away.

        What they saved last is in their stores.
        """
        unfinished = self._services.store.read(lambda c: rows.jobs_of(c, self._cluster_id, unfinished_only=True))
        wanted = {job.key for job in unfinished}
        over = [key for key in await self._running_on(node) if key not in wanted]
        await asyncio.gather(*(self._cancel_on(node, key, grace_s) for key in over))
        if over:
            await self._all_seen(node)

    async def end_on(self, node: Node) -> None:
        """No job runs on the node any more, and all output it had is here."""
        unfinished = self._services.store.read(lambda c: rows.jobs_of(c, self._cluster_id, unfinished_only=True))
        wanted = {job.key for job in unfinished}
        running = await self._running_on(node)
        await asyncio.gather(
            *(self._cancel_on(node, key, CANCEL_GRACE_S if key in wanted else SWEEP_GRACE_S) for key in running)
        )
        for job in unfinished:
            await checkpoints.bring_here(node, job)
            self._services.spawn(checkpoints.keep_there(self._services, job, node.rank), f"checkpoints-{job.key}")
        collecting = [task for (_, rank), task in self._collectors.items() if rank == node.rank and not task.done()]
        if collecting:
            await asyncio.wait(collecting, timeout=DRAIN_S)

    async def _running_on(self, node: Node) -> set[str]:
        answer = await boot.call(node.client, protocol.ListJobs())
        return {info.job_id for info in getattr(answer, "jobs", ()) if info.state == "RUNNING"}

    def _job(self, job_id: int) -> JobRow | None:
        return self._services.store.read(lambda c: rows.job(c, self._cluster_id, job_id))

    # -- output -----------------------------------------------------------------------------------------------------------------------

    def collect_unfinished(self, node: Node) -> None:
        """Copy on with the output of every job that may still have some there."""
        unfinished = self._services.store.read(lambda c: rows.jobs_of(c, self._cluster_id, unfinished_only=True))
        for job in unfinished:
            if job.state != "PENDING":
                self._collect(node, job)

    def _collect(self, node: Node, job: JobRow) -> None:
        place = (job.key, node.rank)
        running = self._collectors.get(place)
        if running is None or running.done():
            self._collectors[place] = self._services.spawn(self._collect_from(node, job), f"log-{job.key}-{node.rank}")

    async def _collect_from(self, node: Node, job: JobRow) -> None:
        """Copy the job's output from this node until the job is over there or the node is gone."""
        rank = node.rank  # that which it has in this job: an elastic gang's nodes have others in the next
        offset = self._logs.begin(job.key, rank)
        stars = redactor(self._services, job)
        pause = LOOK_AGAIN_S[0]
        try:
            while True:
                before = offset
                over = self._is_over(job, rank)
                async with contextlib.aclosing(
                    cast("Any", node.client.read_log(job.key, offset=offset, follow=True))
                ) as chunks:
                    async for chunk in chunks:
                        offset += len(chunk)
                        if piece := stars.feed(chunk):
                            await self._keep(job.key, rank, piece)
                if over:
                    if piece := stars.rest():
                        await self._keep(job.key, rank, piece)
                    return
                # One phase has ended here and the next is not told yet: another node's set-up may take hours.
                pause = LOOK_AGAIN_S[0] if offset > before else min(LOOK_AGAIN_S[1], pause * 1.5)
                await asyncio.sleep(pause)
        except (AgentGone, AgentRefused) as error:
            log.info("output of %s on rank %d: %s", job.key, rank, error)
        finally:
            self._logs.end(job.key)
            self._collectors.pop((job.key, rank), None)

    async def _keep(self, key: str, rank: int, piece: bytes) -> None:
        """The output is in the job's log; while the disk is full it waits on the instance."""
        while True:
            try:
                self._logs.append(key, rank, piece)
            except OSError as error:
                log.error("output of %s on rank %d cannot be kept: %s; trying again in %d s", key, rank, error, KEEP_S)
                await asyncio.sleep(KEEP_S)
            else:
                return

    def _is_over(self, job: JobRow, rank: int) -> bool:
        """Whether nothing more will be started for the job on this rank."""
        now = self._job(job.id)
        if now is None or now.state in jm.FINAL or now.state == "CANCELLING":
            return True
        machine = now.machine
        if machine.phase == "setup":
            return machine.run_ranks <= rank and rank in machine.ended
        return machine.phase == "run" and (rank >= machine.run_ranks or rank in machine.ended)

    async def close(self) -> None:
        """Stop copying; jobs run on."""
        tasks = list(self._collectors.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
