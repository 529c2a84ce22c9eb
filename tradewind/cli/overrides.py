"""Flags that change a task, and the words that name it, shared by every command that takes one: a flag wins over the file, `none` clears the field."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import dotenv

if TYPE_CHECKING:
    from tradewind.spec.built import Use
    from tradewind.spec.task import Task

# flag spellings, the field of spec.Overrides it fills, help
_TEXTS: list[tuple[tuple[str, ...], str, str]] = [
    (("--infra",), "infra", "Where: cloud[/region[/zone]]."),
    (("--cpus",), "cpus", "vCPUs a node: 4 or 4+."),
    (("--memory",), "memory", "GiB a node: 16 or 16+."),
    (("--gpus",), "accelerators", "Accelerators a node: A100:8; any:2 for the cheapest."),
    (("-t", "--instance-type"), "instance_type", "The cloud's name of the machine."),
    (("--arch",), "arch", "x86_64, arm64 or any."),
    (("--disk-size",), "disk_size", "The boot disk, in GB."),
    (("--disk-tier",), "disk_tier", "low, medium, high, ultra or best."),
    (("--network-tier",), "network_tier", "standard or best."),
    (("--local-disk",), "local_disk", "Instance storage: nvme, ssd:300, nvme:500+."),
    (("--network-speed",), "network_speed", "Gbit/s of a node, at least: 25."),
    (("--image-id",), "image_id", "What the machines boot."),
    (("--workdir",), "workdir", "The directory to take along."),
    (("--git-url",), "git_url", "A repository as the work directory."),
    (("--git-ref",), "git_ref", "Its branch, tag or commit."),
]
_OTHERS = ("num_nodes", "use_spot", "max_hourly_cost", "ports", "features", "envs", "env_files")


def _env(texts: tuple[str, ...], files: tuple[str, ...]) -> dict[str, str]:
    envs = {name: value for file in files for name, value in dotenv.read(file, "--env-file").items()}
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
        flags |= {field: kwargs.pop(f"flag_{field}") for field in _OTHERS}
        flags["envs"] = _env(flags["envs"], flags.pop("env_files"))
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
            "--ports", "flag_ports", multiple=True, metavar="PORT",
            help="Let the world reach it: 8080 or 8000-8010; may be repeated.",
        ),
        click.option(
            "--feature", "flag_features", multiple=True, metavar="NAME",
            help="efa, infiniband, tier_1, bare_metal, nested_virtualization; may be repeated.",
        ),
        click.option(
            "--env", "flag_envs", multiple=True, metavar="NAME[=VALUE]", help="Set a variable; may be repeated."
        ),
        click.option(
            "--env-file", "flag_env_files", multiple=True, metavar="FILE",
            help="Set the variables of a file with a NAME=VALUE a line; --env wins.",
        ),
    ]  # fmt: skip
    for option in reversed(add):
        gathered = option(gathered)
    return gathered


def read(task: str | Sequence[str], flags: dict[str, Any], use: Use = "plan") -> Task:
    """The task that the words name - a task file, or a command - with the flags applied, if `use` can carry out all that it asks.

    Several words are a command, joined by blanks as SkyPilot and ssh do; no words are machines without a job.

    Raises:
        SpecError: the file or a flag is wrong, or asks what is not there yet; the sentence names line and field, or the flag.
    """
    from tradewind.spec import Overrides, command_task, load_task, refuse_unbuilt

    words = (task,) if isinstance(task, str) else tuple(task)
    overrides = Overrides(**flags)
    if len(words) == 1 and is_file(words[0]):
        found = load_task(words[0], overrides=overrides)
    elif len(words) > 1 and words[0].endswith((".yaml", ".yml")) and os.path.exists(words[0]):
        raise click.UsageError(f"{words[0]} is a task file, and {words[1]!r} stands behind it; name one file.")
    elif len(words) == 1 and os.path.exists(f"{words[0]}.yaml"):
        raise click.UsageError(f"there is no file {words[0]}; did you mean `{words[0]}.yaml`?")
    else:
        found = command_task(" ".join(words) if words else None, overrides=overrides)
    refuse_unbuilt(found, use)
    return found


def is_file(word: str) -> bool:
    """Whether the one word names a task file, there or not, and is no command line: programs and scripts are commands."""
    if word.endswith((".yaml", ".yml")) or os.path.isdir(word):
        return True
    if os.path.exists(word):
        return not os.access(word, os.X_OK)
    return " " not in word.strip() and ("/" in word or not word.strip()) and not word.startswith(("/", "./", "~/"))
