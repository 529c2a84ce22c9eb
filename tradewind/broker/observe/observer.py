"""Tells those who asked in `observe.yaml` what happens: each has a place in the event rows up to which it has been told, kept in the record,
so that nothing is left out while the daemon or the other side is away. In order; told again when an answer was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Connection

from tradewind.broker.observe import figures_port, hooks, traces
from tradewind.broker.observe.figures import Figures
from tradewind.broker.observe.hooks import Hook
from tradewind.broker.observe.http_post import NotDelivered, post
from tradewind.broker.observe.otlp import Exporter, ExporterMissing
from tradewind.broker.observe.settings import FILE_NAME, Metrics, Observe, ObserveError, Traces, parse_observe
from tradewind.broker.persons_file import PersonsFile
from tradewind.broker.provision.services import Services, log
from tradewind.broker.provision.signal import Signal
from tradewind.broker.store import history, rows
from tradewind.broker.store.records import EventRow, JobRow

LOOK_S = 2.0  # how often the file is looked at
TEND_S = 5.0
BATCH = 200
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
GIVE_UP_AFTER_S = 86_400.0  # an address that has not answered for a day is not told what it missed


class Observer:
    """All who are told, and the port for those who ask for figures."""

    def __init__(self, services: Services, changed: Signal, figures: Figures) -> None:
        self._services = services
        self._changed = changed
        self._figures = figures
        self._file = PersonsFile(os.path.join(services.data_dir, FILE_NAME), parse_observe, Observe())
        self._running: dict[Hook | Traces | Metrics, asyncio.Task[None]] = {}
        self._remarks: dict[object, str] = {}

    def remarks(self) -> list[str]:
        """What does not work at the moment, a sentence each."""
        return [said for said in self._remarks.values() if said]

    def is_serving(self) -> bool:
        """Whether someone may ask for figures at any time."""
        return any(isinstance(one, Metrics) for one in self._running)

    async def run(self) -> None:
        """Go by the file until cancelled."""
        while True:
            try:
                wanted = self._file.read()
                self._remarks.pop(FILE_NAME, None)
                self._start_and_stop(wanted)
            except (ObserveError, OSError) as error:
                self._say(FILE_NAME, str(error))  # those who were told go on being told
            await asyncio.sleep(LOOK_S)

    def _start_and_stop(self, wanted: Observe) -> None:
        now = {*wanted.hooks, *(one for one in (wanted.traces, wanted.metrics) if one is not None)}
        for one in [one for one in self._running if one not in now]:
            self._running.pop(one).cancel()
            self._remarks.pop(one, None)
        self._services.trace_envs = self._trace_envs if wanted.traces is not None else _no_trace
        for one in now - set(self._running):
            work = self._serving(one) if isinstance(one, Metrics) else self._follow(one)
            self._running[one] = self._services.spawn(work, "observe")

    def _say(self, about: object, sentence: str) -> None:
        if sentence and self._remarks.get(about) != sentence:
            log.warning("%s", sentence)
        self._remarks[about] = sentence

    async def _serving(self, metrics: Metrics) -> None:
        while True:
            try:
                await figures_port.serve(self._services.data_dir, metrics, self._page)
            except OSError as error:
                self._say(
                    metrics, f"{FILE_NAME}: the figures cannot be served on {metrics.host}:{metrics.port}: {error}"
                )
            await asyncio.sleep(TEND_S)

    def _page(self) -> bytes:
        return self._services.store.read(lambda c: self._figures.page(c, self._services.metered()))

    # -- following the events ---------------------------------------------------------------------------------------------------------

    async def _follow(self, one: Hook | Traces) -> None:
        name = "told:" + hashlib.blake2b(repr(one).encode(), digest_size=8).hexdigest()
        try:
            told = await self._services.store.transact(lambda c: history.cursor(c, name))
            if isinstance(one, Hook):
                await self._follow_from(name, told, lambda batch: self._tell_hook(one, batch))
                return
            with contextlib.closing(await asyncio.to_thread(Exporter, one.endpoint)) as exporter:
                await self._follow_from(name, told, lambda batch: self._tell_traces(one, exporter, batch))
        except ExporterMissing as error:
            self._say(one, str(error))
        except Exception as error:  # who is told of events never stops who makes them
            log.exception("telling %s of events failed", one)
            self._say(one, f"telling of events failed: {error}")

    async def _follow_from(self, name: str, told: int, tell: Callable[[Sequence[EventRow]], Awaitable[int]]) -> None:
        while True:
            seen, after = self._changed.count, told
            batch = self._services.store.read(lambda c, after=after: rows.events(c, after=after, limit=BATCH))  # type: ignore[misc]
            if not batch:
                await self._changed.wait(seen, TEND_S)
                continue
            told = await tell(batch)
            now = told
            await self._services.store.transact(lambda c, now=now: history.advance(c, name, now))  # type: ignore[misc]

    async def _tell_hook(self, hook: Hook, batch: Sequence[EventRow]) -> int:
        """Up to which event it has been told: the first one that it wants, or all of a batch in which it wants none."""
        for event in batch:
            job_name = self._job_name(event)
            if hooks.wants(hook, event, job_name):
                await self._deliver(hook, event, job_name)
                return event.seq
        return batch[-1].seq

    async def _deliver(self, hook: Hook, event: EventRow, job_name: str | None) -> None:
        sent = hooks.body(hook, event, job_name)
        pause, waited = FIRST_PAUSE_S, 0.0
        while waited < GIVE_UP_AFTER_S:
            try:
                headers = {"Content-Type": "application/json", hooks.DELIVERY: str(event.seq)}
                if hook.secret_file:
                    headers[hooks.SIGNATURE] = hooks.signature(_secret(hook.secret_file), sent)
                await asyncio.to_thread(post, hook.url, sent, headers)
            except (NotDelivered, OSError) as error:
                self._say(
                    hook, f"the web hook {hook.url} was not told of event {event.seq}: {error}; it will be tried again"
                )
            else:
                self._remarks.pop(hook, None)
                return
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(LONGEST_PAUSE_S, pause * 2)
        log.error("the web hook %s is not told of event %d any more", hook.url, event.seq)

    async def _tell_traces(self, one: Traces, exporter: Exporter, batch: Sequence[EventRow]) -> int:
        spans = self._services.store.read(lambda c: [span for event in batch for span in self._spans(c, event)])
        pause = FIRST_PAUSE_S
        while spans and not await asyncio.to_thread(exporter.send, spans):
            self._say(one, f"the collector at {one.endpoint} does not take spans; they will be sent again")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)
        self._remarks.pop(one, None)
        return batch[-1].seq

    def _spans(self, connection: Connection, event: EventRow) -> list[traces.Span]:
        options = history.options_of(connection, event.managed_job_id, event.cluster_id)
        if options is None:
            return []
        owner = self._services.store.owner
        trace = traces.trace_of(owner, event.managed_job_id, event.cluster_id, options.traceparent)
        if event.kind == _first_kind(event):
            return [traces.click_span(trace, event, options.clicked_unix)] if options.clicked_unix else []
        begun, first = history.before(connection, event)
        return list(traces.spans_of(trace, event, begun, first))

    def _trace_envs(self, job: JobRow, phase: str) -> dict[str, str]:
        """TRACEPARENT of the span that a phase of the job is: what the program does stands under it."""
        cluster = self._services.store.read(lambda c: rows.cluster(c, job.cluster_id))
        if cluster is None:
            return {}
        options = self._services.store.read(lambda c: history.options_of(c, job.managed_job_id, job.cluster_id))
        given = "" if options is None else options.traceparent
        trace = traces.trace_of(self._services.store.owner, job.managed_job_id, job.cluster_id, given)
        state = "SETTING_UP" if phase == "setup" else "RUNNING"
        return {"TRACEPARENT": traces.traceparent_of(trace, f"{cluster.subject}/job/{job.id}", job.cluster_id, state)}

    def _job_name(self, event: EventRow) -> str | None:
        job_id = event.managed_job_id
        row = None if job_id is None else self._services.store.read(lambda c: rows.managed_job(c, job_id))
        return None if row is None else row.name


def _first_kind(event: EventRow) -> str:
    """What the first event of a trace is called: that of a managed job, or of a cluster that none owns; "" for whoever stands below."""
    if event.subject.startswith("job/"):
        return "submitted"
    return "planned" if event.managed_job_id is None and "/job/" not in event.subject else ""


def _no_trace(_job: JobRow, _phase: str) -> dict[str, str]:
    return {}


def _secret(path: str) -> bytes:
    with open(os.path.expanduser(path), "rb") as file:
        return file.read().strip()
