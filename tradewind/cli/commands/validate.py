"""`tradewind validate FILE...` and `tradewind schema`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from tradewind.sdk.validation import Verdict


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("--diff", is_flag=True, help="Also the defaults that were added.")
@options.as_json
def validate(files: tuple[str, ...], *, diff: bool, as_json: bool) -> int:
    """Check task files and print their normal form; every bad one gets its sentence, and the exit code is 2 if there was any.

    A field that is valid and not there yet is no error here, nor is what SkyPilot reads and refuses when it launches, such as a path that is not
    there; the sentence that a launch gives is printed with it.
    """
    from tradewind.sdk.validation import validate as verdicts_of

    verdicts = verdicts_of(*files, defaults=diff)
    if as_json:
        print_json([_as_data(verdict, diff=diff) for verdict in verdicts])
    else:
        for verdict in verdicts:
            _print(verdict)
    return exits.OK if all(verdict.valid for verdict in verdicts) else exits.BAD_INPUT


def _as_data(verdict: Verdict, *, diff: bool) -> dict[str, Any]:
    """What editors and scripts read: one task stands under `task`, several documents in a list, the header (if it says anything) first."""
    if not verdict.valid:
        places = ("file", "valid", "error", "line", "column", "field", "suggestion")
        return {name: getattr(verdict, name) for name in places}
    single = len(verdict.documents) == 1
    forms = {"task": verdict.documents[0]} if single else {"documents": verdict.documents}
    data = {"file": verdict.file, "valid": True, **forms, "not_there_yet": verdict.not_there_yet}
    return data | {"defaults": verdict.defaults} if diff else data


def _print(verdict: Verdict) -> None:
    if not verdict.valid:
        print(f"tradewind: {verdict.error}", file=sys.stderr)
        return
    print(f"{verdict.file}: ok")
    print("  " + "\n  ---\n  ".join(_yaml(form).replace("\n", "\n  ") for form in verdict.documents))
    for number, found in enumerate(verdict.defaults, start=1):
        print("  defaults added:" if len(verdict.defaults) == 1 else f"  defaults added to task {number}:")
        for field, value in found.items():
            print(terminal.wrapped(f"+ {field}: {_flow(value)}", indent=4, limit=terminal.width()))
    for sentence in verdict.not_there_yet:
        print(terminal.wrapped(f"at launch: {sentence}", indent=2, limit=terminal.width()))


def _yaml(form: dict[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(form, Dumper=dumper, allow_unicode=True, sort_keys=False, width=100)
    return text.rstrip("\n")


def _flow(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)


@click.command()
def schema() -> int:
    """Print the JSON Schema of task files, by which editors complete and check them."""
    from tradewind.sdk.validation import schema as form

    print_json(form())
    return exits.OK
