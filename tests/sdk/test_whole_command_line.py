"""Whatever the command line can do, Python can: every command has its function, sync and async, and every option its argument, or a reason here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click
import pytest

import tradewind as tw
from tradewind.cli.lazy import LazyGroup
from tradewind.cli.main import root
from tradewind.cli.overrides import _OTHERS, _TEXTS  # what every command that takes a task has

# command -> function, where it is not of the command's name
CALLS = {
    "cost-report": "cost_report",
    "explain-error": "explain_error",
    "ssh": "ssh_command",
    "rsync": "rsync_command",
    "gpus": "accelerators",
    "catalog import": "catalog.import_offers",
    "catalog remove": "catalog.remove_offers",
}
NO_CALL = {
    "demo": "a show for the terminal; tw.jobs.launch(..., rehearse=True, seed=7) is what it plays",
    "runtime": "tw.runtime is the engine itself, and its commands look at it from outside",
}
# option -> argument, where it is not of the option's name
ARGUMENTS = {
    "--dry-run": "dry_run",
    "--idle-minutes": "minutes",
    "--node": "rank",
    "--after": "not_before_unix",
    "--notice": "notice_s",
    "--state": "states",
    "--deadline": "deadline_h",
    "--time-limit": "time_limit_s",
    "--cloud": "clouds",
    "--diff": "defaults",
    "--budget": "budget_usd",
    "--secret": "secrets",
    "--secret-file": "secrets",
}
EVERYWHERE = {
    "--json": "calls return values",
    "--yes": "a price is agreed to by max_hourly_usd= or plan=, and what a program does was meant",
    "--help": "help()",
    "--detach": "launches return at once; logs() follows",
    "--dryrun": "tw.plan",
}
TASK = {spelling[-1] for spelling, _, _ in _TEXTS} | {f"--{name.replace('_', '-')}" for name in _OTHERS}
TASK |= {"--env", "--env-file", "--feature"}  # tw.Task's fields and tw.Overrides, as test_task shows
OF_THE_TASK = "a field of tw.Task or tw.Resources, or of tw.Overrides"
ELSEWHERE: dict[str, dict[str, str]] = {
    "launch": {
        "--name": OF_THE_TASK, "--idle-minutes-to-autostop": OF_THE_TASK, "--wait-for": OF_THE_TASK, "--down": OF_THE_TASK,
        "--no-setup": "a task without setup",
    },
    "exec": {"--name": OF_THE_TASK, "--cluster": "cluster="},
    "status": {
        "--ip": "tw.ssh_command, tw.ports", "--endpoints": "tw.ports", "--endpoint": "tw.ports",
    },
    "queue": {"--skip-finished": "job.ended_unix"},
    "logs": {"--sync-down": "what tw.logs gives, written", "--tail": "collections.deque(tw.logs(..., follow=False), maxlen=n)", "--status": "tw.wait(...).state"},
    "down": {"--all": "tw.down(*(c.name for c in tw.status()))"},
    "stop": {"--all": "tw.stop(*(c.name for c in tw.status()))"},
    "start": {"--all": "tw.start(*(c.name for c in tw.status()))"},
    "autostop": {"--cancel": "minutes=None"},
    "ssh": {"--include": "writes ~/.ssh/config for a person's own ssh"},
    "events": {"--follow": "tw.follow"},
    "jobs launch": {
        "--priority": OF_THE_TASK, "--budget": OF_THE_TASK, "--job-recovery": OF_THE_TASK,
        "--array": "tw.jobs.launch_array", "--max-active": "tw.jobs.launch_array, launch_graph",
    },
    "jobs queue": {"--expand": "tw.jobs.array_jobs"},
    "jobs logs": {"--sync-down": "what tw.jobs.logs gives, written", "--grep": "a filter over the lines", "--tail": "collections.deque(tw.jobs.logs(..., follow=False), maxlen=n)"},
    "jobs cancel": {"--name": "jobs=", "--all": "tw.jobs.cancel(*(job.id for job in tw.jobs.queue()))"},
    "jobs pause": {"--all": "tw.jobs.pause(*(job.id for job in tw.jobs.queue()))"},
    "jobs resume": {"--all": "tw.jobs.resume(*(job.id for job in tw.jobs.queue()))"},
    "jobs retry": {"--all": "tw.jobs.retry(*(job.id for job in tw.jobs.queue(all=True)))"},
    "plan": {
        "--explain": "tw.explain", "--pareto": "tw.pareto", "--svg": "a page of the terminal", "--png": "a page of the terminal",
        **dict.fromkeys(("--exclude", "--minimize", "--budget", "--continent", "--country", "--estimate", "--reserved", "--quota", "--share", "--max-carbon", "--max-nodes-per-zone", "--interruptions"), "placement, estimates or budget of tw.Task"),
    },
    "catalog diff": {"--limit": "the changes are a tuple"},
}  # fmt: skip
BY_FILTER = {"offers", "accelerators", "gpus"}  # tw.OfferFilter says what their options say, for the shelf of tw.offers


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""

    def walk(words: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            whole = f"{words} {name}".strip()
            if isinstance(found, click.Group):
                if found.invoke_without_command and not isinstance(found, LazyGroup):
                    yield f"{whole} get", found
                yield from walk(whole, found)
            else:
                yield whole, found

    yield from walk("", root)


ALL = [(words, command) for words, command in commands() if words.split()[0] not in NO_CALL]


def call_of(words: str, module: Any) -> Any:
    """The function that the command's words name."""
    for part in CALLS.get(words, words.replace(" ", ".").replace("-", "_")).split("."):
        module = getattr(module, part)
    return module


def test_there_are_commands() -> None:
    assert len(ALL) > 45
    assert {words.split()[0] for words, _ in commands()} >= set(NO_CALL)


@pytest.mark.parametrize(("words", "command"), ALL, ids=[words for words, _ in ALL])
def test_a_command_has_its_call_twice(words: str, command: click.Command) -> None:
    call, on_a_loop = call_of(words, tw), call_of(words, tw.aio)
    assert (call.__doc__ or "").strip()
    assert inspect.iscoroutinefunction(on_a_loop) or inspect.isfunction(on_a_loop)
    if words in BY_FILTER:
        return
    arguments = set(inspect.signature(call).parameters)
    said = EVERYWHERE | ELSEWHERE.get(words, {})
    for option in (each for each in command.params if isinstance(each, click.Option)):
        spelt = [name for name in option.opts if name.startswith("--")][0]
        wanted = ARGUMENTS.get(spelt, spelt.removeprefix("--").replace("-", "_"))
        has_reason = spelt in said or (spelt in TASK and "secrets" in arguments) or (words == "plan" and spelt in TASK)
        assert wanted in arguments or has_reason, f"{words} {spelt}"


@pytest.mark.parametrize("words", sorted(ELSEWHERE))
def test_no_reason_is_given_for_what_is_not_there(words: str) -> None:
    command = dict(ALL)[words]
    spelt = {name for each in command.params for name in each.opts}
    assert set(ELSEWHERE[words]) <= spelt
