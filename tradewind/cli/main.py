"""`tradewind` and `tw`: the table of commands, and the edge where every error becomes one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from tradewind import __version__
from tradewind.cli import exits
from tradewind.cli.errors import exit_code_of, sentence_of
from tradewind.cli.lazy import LazyGroup

_COMMANDS = "tradewind.cli.commands"
COMPLETION = "_TRADEWIND_COMPLETE"  # click's variable for shells that ask for completions

TABLE: dict[str, tuple[str, str]] = {
    "plan": (f"{_COMMANDS}.plan:plan", "Where a task would run cheapest, and why; buys nothing."),
    "launch": (f"{_COMMANDS}.launch:launch", "Start a task on a new or existing cluster."),
    "exec": (f"{_COMMANDS}.exec_:exec_", "Run a task on a cluster that is up, without its setup."),
    "status": (f"{_COMMANDS}.status:status", "The clusters, and what each waits for."),
    "queue": (f"{_COMMANDS}.queue:queue", "A cluster's jobs."),
    "logs": (f"{_COMMANDS}.logs:logs", "The output of a cluster's job."),
    "cancel": (f"{_COMMANDS}.cancel:cancel", "End a cluster's jobs; the cluster stays."),
    "down": (f"{_COMMANDS}.down:down", "End clusters and all they cost."),
    "stop": (f"{_COMMANDS}.standing:stop", "Stop clusters; their disks stay."),
    "start": (f"{_COMMANDS}.standing:start", "Start stopped clusters again."),
    "autostop": (f"{_COMMANDS}.standing:autostop", "Stop or end a cluster once it is idle."),
    "ssh": (f"{_COMMANDS}.ssh:ssh", "Log in to a cluster's node."),
    "rsync": (f"{_COMMANDS}.ssh:rsync", "Copy to or from a cluster."),
    "ports": (f"{_COMMANDS}.standing:ports", "Let the world reach ports of a cluster."),
    "cost-report": (f"{_COMMANDS}.cost_report:cost_report", "What clusters have cost."),
    "reap": (f"{_COMMANDS}.reap:reap", "Remove what no record owns."),
    "jobs": (f"{_COMMANDS}.jobs:jobs", "Managed jobs: they survive preemption."),
    "events": (f"{_COMMANDS}.events:events", "The timeline of a cluster or managed job."),
    "why": (f"{_COMMANDS}.why:why", "What something waits for, or how it ended."),
    "validate": (f"{_COMMANDS}.validate:validate", "Check task files and print their normal form."),
    "schema": (f"{_COMMANDS}.validate:schema", "The JSON Schema of task files, for editors."),
    "offers": (f"{_COMMANDS}.offers:offers", "What the clouds sell, cheapest first."),
    "accelerators": (f"{_COMMANDS}.accelerators:accelerators", "GPUs and TPUs: figures, counts, cheapest prices."),
    "gpus": (f"{_COMMANDS}.accelerators:gpus", "`gpus list`: the same, as SkyPilot's users type it."),
    "catalog": (f"{_COMMANDS}.catalog:catalog", "The catalog itself: what is in it, what is set aside."),
    "demo": (f"{_COMMANDS}.demo:demo", "The whole life of a job, rehearsed on this machine."),
    "local": (f"{_COMMANDS}.local:local", "Machines on this computer: up, status, down."),
    "check": (f"{_COMMANDS}.check:check", "Which clouds can be used from here, and what is missing."),
    "config": (f"{_COMMANDS}.config:config", "What the daemon keeps to: a cap on the hour, a budget."),
    "explain-error": (f"{_COMMANDS}.explain_error:explain_error", "What a cloud's error code means to failover."),
    "doctor": (f"{_COMMANDS}.doctor:doctor", "What is wrong on this machine, and how to mend it."),
    "runtime": (f"{_COMMANDS}.runtime:runtime", "Task/actor clusters on machines one has already."),
    "api": (f"{_COMMANDS}.api:api", "The daemon: start, stop, status."),
}


ALIASES = {
    "ls": "status",
    "ps": "status",
    "show-gpus": "accelerators",
    "terminate": "down",
    "delete": "down",
    "run": "launch",
}


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"tradewind {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    table=TABLE,
    aliases=ALIASES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 no plan, 4 unreachable, 130 Ctrl-C (docs/cli.md).",
)
@click.option("--debug", is_flag=True, help="Show tracebacks. Also TRADEWIND_DEBUG=1.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def root(*, debug: bool) -> None:
    """The cheapest machine that fits, a cluster on it, and nothing left behind."""
    if debug:
        os.environ["TRADEWIND_DEBUG"] = "1"


def _complain(message: str) -> None:
    print(f"tradewind: {message}", file=sys.stderr)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. Prints one sentence on stderr for any error; a traceback only with --debug."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 shows ? instead of failing
    try:
        if COMPLETION in os.environ:
            root.main(prog_name="tradewind")  # answers the shell and ends the process
        # Not root.main: that turns a reader which left into exit code 1.
        with root.make_context("tradewind", list(sys.argv[1:] if arguments is None else arguments)) as context:
            code = root.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as asked:
        print(asked.format_message())
        return exits.OK
    except click.ClickException as error:
        _complain(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`| head`); what follows at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return exits.OK
    except Exception as error:  # the edge: whatever it is, a person gets a sentence
        known = exit_code_of(error)
        if os.environ.get("TRADEWIND_DEBUG"):
            raise
        if known is None:
            _complain(
                f"this is a defect in tradewind: {type(error).__name__}: {error}; `tradewind --debug ...` shows where."
            )
            return exits.INTERNAL
        _complain(" ".join(sentence_of(error).split()))
        return known
    return code if isinstance(code, int) else exits.OK


def main() -> None:
    """The entry point of `tradewind` and `tw`."""
    sys.exit(run())
