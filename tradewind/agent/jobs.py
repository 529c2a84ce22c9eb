"""Jobs on this node: their phases, processes, logs and checkpoints."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence

import msgspec

from tradewind.agent import logs
from tradewind.agent.checkpoints.entries import Entry, scan
from tradewind.agent.checkpoints.store import CheckpointStore, StoreError, open_store
from tradewind.agent.checkpoints.sync import CheckpointSync
from tradewind.agent.environment import job_environment, job_mark
from tradewind.agent.errors import RefusalError, RefusalKind
from tradewind.agent.own_log import note
from tradewind.agent.process_exit import until_exit
from tradewind.agent.processes import end_marked, marked, signal_marked
from tradewind.agent.protocol import (
    AgentFact,
    CheckpointSynced,
    Configure,
    Hook,
    JobEnded,
    JobInfo,
    JobStarted,
    JobState,
    Phase,
    Restored,
    RunHooks,
    StartJob,
    Usage,
)
from tradewind.agent.room import is_out_of_room
from tradewind.agent.state import StateDirectory
from tradewind.agent.usage import Sampler

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_KILL_DEADLINE_S = 5.0
ANSWER_WITHIN_S = 10.0
KEEP_LEFT_S = 10.0  # the broker waits for a started agent for twice as long
_CANCEL_LOOK_EVERY_S = 0.02
# Linux refuses one argument over 128 KiB (MAX_ARG_STRLEN); a longer script is given to bash as a file
_SCRIPT_ARGUMENT_BYTES = 100_000


class RunningPhase:
    """A phase that has been ordered and has not ended: its process once there is one."""

    def __init__(self, order: StartJob) -> None:
        self.order = order
        self.process: subprocess.Popen[bytes] | None = None
        self.sync: CheckpointSync | None = None
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.cancel_grace_s: float | None = None
        self.is_answered = False  # before it had started: a failure to start is then its end
        self.taken = ""  # why its machine goes, once it has been told
        self.hooks: asyncio.Task[None] | None = None


class Jobs:
    """Every job phase that this home has known. Orders are idempotent by (job_id, phase)."""

    def __init__(
        self,
        state: StateDirectory,
        *,
        emit: Callable[[AgentFact], None],
        node_environment: Callable[[], Mapping[str, str]],
        place: Callable[[], Configure | None],
        runtime_address: Callable[[], str],
    ) -> None:
        self._state = state
        self._home = state.home
        self._emit = emit
        self._node_environment = node_environment
        self._place = place
        self._runtime_address = runtime_address
        self._known: dict[tuple[str, Phase], JobInfo] = {(job.job_id, job.phase): job for job in state.read_jobs()}
        self._running: dict[tuple[str, Phase], RunningPhase] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sampler = Sampler()
        self._left: dict[str, CheckpointSync] = {}
        self._left_until = 0.0

    async def keep_left(self) -> None:
        """What jobs of a previous agent saved while no agent looked lies in their stores, if that takes no longer than KEEP_LEFT_S.

        To be called while their programs still run: only of a living one does it tell something that what it wrote is not written any more.
        """
        self._left_until = asyncio.get_running_loop().time() + KEEP_LEFT_S
        for job in self._known.values():
            if job.state == "RUNNING" and (sync := self._sync_of_left(job)) is not None:
                self._left[job.job_id] = sync
                if marked(job_mark(self._home, job.job_id)):
                    await self._in_time(job, sync.sync_complete())

    async def declare_lost(self) -> None:
        """What a previous agent left running is over, its processes ended already: say so, so that nothing runs twice.

        What they renamed into place to the very end lies in their stores first, within the time that `keep_left` began.
        """
        for key, job in self._known.items():
            if job.state == "RUNNING":
                sync = self._left.pop(job.job_id, None) if job.checkpoint_uri else None
                if sync is not None:
                    await self._in_time(job, sync.sync_renamed())
                self._known[key] = msgspec.structs.replace(job, state="LOST", ended_unix=time.time())
                tail = logs.last_lines(self.log_path(job.job_id))
                self._emit(JobEnded(job.job_id, job.phase, "LOST", last_lines=tail))
        self._save()

    def _sync_of_left(self, job: JobInfo) -> CheckpointSync | None:
        place = self._place()
        if not job.checkpoint_uri or place is None:
            return None
        try:
            store = open_store(job.checkpoint_uri, place.rank)
        except StoreError as error:
            _not_kept(job, error)
            return None
        return self._sync_with(job.job_id, self.checkpoint_directory(job.job_id), store)

    async def _in_time(self, job: JobInfo, copying: Coroutine[None, None, None]) -> None:
        try:
            async with asyncio.timeout_at(self._left_until):
                await copying
        except (StoreError, TimeoutError, OSError) as error:
            _not_kept(job, error)

    def _sync_with(self, job_id: str, directory: str, store: CheckpointStore) -> CheckpointSync:
        return CheckpointSync(
            directory,
            store,
            synced=lambda name, size: self._emit(CheckpointSynced(job_id, name, size)),
            failed=lambda why: self._say(job_id, why),
        )

    def known(self) -> tuple[JobInfo, ...]:
        """Every phase, in the order it was started."""
        return tuple(
            msgspec.structs.replace(job, log_bytes=logs.size(self.log_path(job.job_id))) for job in self._known.values()
        )

    async def usage(self) -> dict[str, Usage]:
        """What each job with a process uses."""
        running = {key[0] for key, phase in self._running.items() if phase.process is not None}
        return await asyncio.to_thread(
            self._sampler.sample, {job_id: job_mark(self._home, job_id) for job_id in running}
        )

    def log_path(self, job_id: str) -> str:
        """Where the job's output goes. Raises RefusalError for an id that cannot name a file."""
        if not _JOB_ID.match(job_id):
            raise RefusalError(f"{job_id!r} cannot name a job: use letters, digits, '.', '_' and '-'")
        return os.path.join(self._home, "logs", f"{job_id}.log")

    def is_known(self, job_id: str) -> bool:
        """Whether any phase of the job was ever ordered."""
        return any(key[0] == job_id for key in (*self._known, *self._running))

    def is_over(self, job_id: str) -> bool:
        """Whether the job prints nothing more: its run phase has ended, or one before it did not succeed."""
        if any(key[0] == job_id for key in self._running):
            return False
        run = self._known.get((job_id, "run"))
        setup = self._known.get((job_id, "setup"))
        return run is not None or (setup is not None and setup.state != "SUCCEEDED")

    async def start(self, order: StartJob) -> None:
        """The phase has started, or had before, or a large checkpoint still comes back for it. Raises RefusalError when it cannot."""
        key = (order.job_id, order.phase)
        self.log_path(order.job_id)
        if key in self._known and key not in self._running:
            return
        if key not in self._running:
            phase = self._running[key] = RunningPhase(order)
            task = asyncio.create_task(self._attend(key, phase), name=f"job {order.job_id} {order.phase}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        phase = self._running[key]
        await asyncio.wait([phase.started], timeout=ANSWER_WITHIN_S)
        if phase.started.done():
            phase.started.result()
        else:
            phase.is_answered = True

    async def cancel(self, job_id: str, grace_s: float) -> None:
        """No process of the job is left, and its end has been said."""
        phases = [phase for key, phase in self._running.items() if key[0] == job_id]
        for phase in phases:
            if phase.cancel_grace_s is None:
                phase.cancel_grace_s = max(0.0, grace_s)
        signal_marked(job_mark(self._home, job_id), signal.SIGTERM)
        await self._until_no_process(job_id, grace_s)
        await self._end_processes(job_id)
        for phase in phases:
            await phase.ended.wait()

    async def cancel_all(self, grace_s: float) -> None:
        """No process of any job is left."""
        await asyncio.gather(
            *(self.cancel(job_id, grace_s) for job_id in {key[0] for key in (*self._running, *self._known)})
        )

    def drain(self, why: str) -> bool:
        """Every program of a run phase has got SIGTERM, and its hooks run; whatever it ends with, it was lost for `why`. False when none runs."""
        found = [p for (_, name), p in self._running.items() if name == "run" and p.process is not None and not p.taken]
        for phase in found:
            phase.taken = why
            signal_marked(
                job_mark(self._home, phase.order.job_id), signal.SIGTERM
            )  # before its hooks, which carry the mark too
            hooks = self._run_hooks(phase.order, phase.order.preemption_hooks)
            phase.hooks = asyncio.create_task(hooks, name=f"hooks of {phase.order.job_id}")
        return bool(found)

    async def run_hooks(self, order: RunHooks) -> None:
        """They have ended, in an environment like a job's; what they print is in the log of the job called "hooks"."""
        await self._run_hooks(StartJob("hooks", "run", "", envs=order.envs), order.hooks)

    async def _run_hooks(self, order: StartJob, hooks: Sequence[Hook]) -> None:
        for hook in hooks:
            try:
                process = self._begin(order, hook.script, "hook")
            except (OSError, ValueError) as error:
                self._say(order.job_id, f"a hook could not start: {error}")
                continue
            ending = asyncio.create_task(until_exit(process), name=f"hook of {order.job_id}")
            await asyncio.wait([ending], timeout=hook.timeout_s)
            if not ending.done():
                os.killpg(process.pid, signal.SIGKILL)
                await ending
                self._say(order.job_id, f"a hook took more than {hook.timeout_s:g} s and was ended")
            elif ending.result():
                self._say(order.job_id, f"a hook ended with exit code {ending.result()}")

    async def sync_checkpoints(self, job_id: str) -> None:
        """Every complete checkpoint of the job lies in its store. Raises RefusalError when the store failed, or the job has none."""
        phase = self._running.get((job_id, "run"))
        if phase is None and not self.is_known(job_id):
            raise RefusalError(f"there is no job {job_id} here", "state")
        if phase is not None and phase.sync is not None:
            try:
                await phase.sync.sync_complete()
            except StoreError as error:
                raise RefusalError(str(error), "state") from error

    async def _attend(self, key: tuple[str, Phase], phase: RunningPhase) -> None:
        """One phase from its order to its end."""
        order = phase.order
        state: JobState = "FAILED"
        returncode: int | None = None
        try:
            try:
                await self._prepare_checkpoints(phase)
                # on file before the process is: an agent killed in between says LOST, and never runs it twice
                self._known[key] = JobInfo(
                    order.job_id,
                    order.phase,
                    "RUNNING",
                    started_unix=time.time(),
                    checkpoint_uri=order.checkpoint_uri if order.phase == "run" else "",
                )
                self._save()
                if phase.cancel_grace_s is None:
                    self._spawn(phase)
            except (StoreError, OSError, ValueError) as error:
                kind: RefusalKind = "room" if is_out_of_room(error) else "state"
                raise RefusalError(f"job {order.job_id} could not start: {error}", kind) from error
            except asyncio.CancelledError:  # the agent ends: nobody is told any more, and nobody waits on
                phase.started.cancel()
                phase.ended.set()
                raise
            except Exception as error:
                raise RefusalError(f"job {order.job_id} could not start: {error!r}", "internal") from error
        except RefusalError as refusal:
            if phase.sync is not None:
                await phase.sync.stop()
            if phase.is_answered:
                self._say(order.job_id, refusal.message)
                self._known.setdefault(key, JobInfo(order.job_id, order.phase, "RUNNING", started_unix=time.time()))
                self._end(key, "FAILED", None)
            else:
                del self._running[key]
                self._known.pop(key, None)
                self._save()
            phase.ended.set()
            phase.started.set_exception(refusal)
            phase.started.exception()  # looked at, also when the peer that ordered it is gone
            return
        self._emit(JobStarted(order.job_id, order.phase))
        phase.started.set_result(None)
        if phase.process is not None:
            returncode = await until_exit(phase.process)
            if phase.hooks is not None:
                await asyncio.wait([phase.hooks])  # they may still write what the last sync takes along
            if phase.cancel_grace_s is None:
                state = "LOST" if phase.taken else "SUCCEEDED" if returncode == 0 else "FAILED"
                if order.phase == "run" or state == "FAILED":  # what a setup leaves in the background serves the run
                    await self._end_processes(order.job_id)
        if phase.cancel_grace_s is not None:
            state = "CANCELLED"
            await self._until_no_process(order.job_id, phase.cancel_grace_s + _KILL_DEADLINE_S)
        await self._last_sync(phase)
        self._end(key, state, returncode, why=phase.taken)
        phase.ended.set()

    def _end(self, key: tuple[str, Phase], state: JobState, returncode: int | None, *, why: str = "") -> None:
        job_id, phase = key
        exit_code = returncode if returncode is not None and returncode >= 0 else None
        number = -returncode if returncode is not None and returncode < 0 else None
        self._known[key] = msgspec.structs.replace(
            self._known[key], state=state, exit_code=exit_code, signal=number, ended_unix=time.time()
        )
        del self._running[key]
        self._save()
        tail = logs.last_lines(self.log_path(job_id)) if state == "FAILED" else ""
        self._emit(JobEnded(job_id, phase, state, exit_code, number, tail, why if state == "LOST" else ""))

    def _spawn(self, phase: RunningPhase) -> None:
        phase.process = self._begin(phase.order, phase.order.script, phase.order.phase)

    def _begin(self, order: StartJob, script: str, name: str) -> subprocess.Popen[bytes]:
        """The script runs as a process of the job, its output in the job's log. Raises OSError and ValueError."""
        workdir = os.path.join(self._home, "workdir")
        os.makedirs(workdir, exist_ok=True)
        log_path = self.log_path(order.job_id)
        os.makedirs(os.path.dirname(log_path), exist_ok=True)
        environment = job_environment(
            self._node_environment(),
            order,
            home=self._home,
            runtime_address=self._runtime_address(),
            checkpoint_dir=self.checkpoint_directory(order.job_id),
        )
        command = ["bash", "-c", script]
        if len(script.encode()) > _SCRIPT_ARGUMENT_BYTES:
            path = os.path.join(self._state.path, f"{order.job_id}.{name}.sh")
            with open(path, "w", encoding="utf-8") as file:
                file.write(script)
            command = ["bash", path]
        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(
                command,
                cwd=workdir,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    def checkpoint_directory(self, job_id: str) -> str:
        """TRADEWIND_CHECKPOINT_DIR of the job on this rank."""
        place = self._place()
        return os.path.join(self._home, "checkpoints", job_id, f"rank-{place.rank if place else 0}")

    async def _prepare_checkpoints(self, phase: RunningPhase) -> None:
        """The directory exists; before the run phase it holds what the store has, and is kept in step from then on."""
        order = phase.order
        directory = self.checkpoint_directory(order.job_id)
        os.makedirs(directory, exist_ok=True)
        if order.phase != "run" or not order.checkpoint_uri:
            return
        place = self._place()
        store = open_store(order.checkpoint_uri, place.rank if place else 0)
        kept = await self._restore(order.job_id, store, directory)
        phase.sync = self._sync_with(order.job_id, directory, store)
        phase.sync.start(kept)

    async def _restore(self, job_id: str, store: CheckpointStore, directory: str) -> dict[str, Entry]:
        restored = await asyncio.to_thread(store.restore, directory)
        for sentence in restored.damaged:
            self._say(job_id, sentence)
        self._emit(Restored(job_id, len(restored.names), restored.newest))
        entries = scan(directory)
        return {name: entries[name] for name in restored.names if name in entries}

    async def _last_sync(self, phase: RunningPhase) -> None:
        """Nothing writes any more: whatever is complete goes to the store before the end is said."""
        if phase.sync is None:
            return
        await phase.sync.stop()
        try:
            await phase.sync.sync_now(settled=True)
        except StoreError as error:
            self._say(phase.order.job_id, str(error))

    def _say(self, job_id: str, sentence: str) -> bool:
        """Whether a line of ours stands in the job's log; on a full disk it does not, and the job goes on."""
        try:
            os.makedirs(os.path.dirname(self.log_path(job_id)), exist_ok=True)
            with open(self.log_path(job_id), "ab") as file:
                file.write(f"tradewind: {sentence}\n".encode())
        except OSError:
            return False
        return True

    async def _end_processes(self, job_id: str) -> None:
        mark = job_mark(self._home, job_id)
        if not await asyncio.to_thread(end_marked, mark, deadline_s=_KILL_DEADLINE_S):
            note(f"job {job_id}: processes {marked(mark)} survive SIGKILL")

    async def _until_no_process(self, job_id: str, timeout_s: float) -> None:
        mark = job_mark(self._home, job_id)
        deadline = time.monotonic() + timeout_s
        while marked(mark) and time.monotonic() < deadline:  # noqa: ASYNC110  no event tells of processes that are not our children
            await asyncio.sleep(_CANCEL_LOOK_EVERY_S)

    def _save(self) -> None:
        self._state.write_jobs(list(self._known.values()))


def _not_kept(job: JobInfo, error: Exception) -> None:
    note(f"what job {job.job_id} saved last is not in its store: {error!r}")
