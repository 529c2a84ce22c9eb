"""Flags that change a task file, shared by every command that reads one: a flag wins over the file, `none` clears the field."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tradewind.spec import Overrides
    from tradewind.spec.built import Use
    from tradewind.spec.task import Task

# flag spellings, the field of spec.Overrides it fills, help
_TEXTS: list[tuple[tuple[str, ...], str, str]] = [
    (("--infra",), "infra", "Where: cloud[/region[/zone]]."),
    (("--cpus",), "cpus", "vCPUs a node: 4 or 4+."),
    (("--memory",), "memory", "GiB a node: 16 or 16+."),
    (("--gpus",), "accelerators", "Accelerators a node: A100:8."),
    (("-t", "--instance-type"), "instance_type", "The cloud's name of the machine."),
    (("--arch",), "arch", "x86_64, arm64 or any."),
    (("--workdir",), "workdir", "The directory to take along."),
]


def _env(texts: tuple[str, ...]) -> dict[str, str]:
    envs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            if name not in os.environ:
                raise click.BadParameter(
                    f"{name} has no value and is not set here; write {name}=VALUE.", param_hint="--env"
                )
            value = os.environ[name]
        envs[name] = value
    return envs


def task_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command; its function gets them as one keyword, `flags`, to hand to `read`."""

    @functools.wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        flags = {field: kwargs.pop(f"flag_{field}") for _, field, _ in _TEXTS}
        for field in ("num_nodes", "use_spot", "max_hourly_cost"):
            flags[field] = kwargs.pop(f"flag_{field}")
        flags["envs"] = _env(kwargs.pop("flag_envs"))
        return function(*args, flags=flags, **kwargs)

    add: list[Callable[[Any], Any]] = [
        click.option(*spelling, f"flag_{field}", metavar="TEXT", help=text) for spelling, field, text in _TEXTS
    ]
    add += [
        click.option("--num-nodes", "flag_num_nodes", type=int, help="How many equal nodes."),
        click.option("--use-spot/--no-use-spot", "flag_use_spot", default=None, help="Buy spot only, or on demand."),
        click.option(
            "--max-hourly-cost", "flag_max_hourly_cost", type=float, help="USD an hour for one node, at most."
        ),
        click.option(
            "--env", "flag_envs", multiple=True, metavar="NAME[=VALUE]", help="Set a variable; may be repeated."
        ),
    ]
    for option in reversed(add):
        gathered = option(gathered)
    return gathered


def read(file: str, flags: dict[str, Any], use: Use = "plan") -> Task:
    """The file's task with the flags applied, if `use` can carry out all that it asks.

    Raises:
        SpecError: the file or a flag is wrong, or asks what is not there yet; the sentence names line and field, or the flag.
    """
    from tradewind.spec import Overrides, load_task, refuse_unbuilt

    if " " in file.strip() and not file.endswith((".yaml", ".yml")) and not os.path.exists(file):
        task = _command(file, Overrides(**flags))
    else:
        task = load_task(file, overrides=Overrides(**flags))
    refuse_unbuilt(task, use)
    return task


def _command(command: str, overrides: Overrides) -> Task:
    """A task that runs one command line, as `tradewind launch 'echo hello'` names it."""
    import json

    from tradewind.spec import parse_task

    return parse_task(json.dumps({"run": command}), "the command", os.getcwd(), overrides=overrides)
