"""`tradewind validate FILE...` and `tradewind schema`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options
from tradewind.cli.errors import exit_code_of, sentence_of
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from tradewind.spec import Workload


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("--diff", is_flag=True, help="Also the defaults that were added.")
@options.as_json
def validate(files: tuple[str, ...], *, diff: bool, as_json: bool) -> int:
    """Check task files and print their normal form; every bad one gets its sentence, and the exit code is 2 if there was any.

    A field that is valid and not there yet is no error here; the sentence that a launch would give is printed with it.
    """
    from tradewind.spec import load_workload

    code = exits.OK
    verdicts: list[dict[str, Any]] = []
    for file in files:
        try:
            verdict = _verdict(file, load_workload(file))
            if diff:
                verdict["defaults"] = _defaults(file)
        except Exception as error:
            if exit_code_of(error) is None:
                raise
            code = exits.BAD_INPUT
            verdict = {"file": file, "valid": False, "error": sentence_of(error), **_place(error)}
        verdicts.append(verdict)
        if not as_json:
            _print(verdict)
    if as_json:
        print_json(verdicts)
    return code


def _place(error: Exception) -> dict[str, Any]:
    """Where a refusal points, for editors."""
    names = ("line", "column", "field", "suggestion")
    return {name: getattr(error, name) for name in names if hasattr(error, name)}


def _verdict(file: str, workload: Workload) -> dict[str, Any]:
    """The normal form and what is not there yet; several tasks stand in a list, the header (if it says anything) first."""
    from tradewind.spec import normal_form, normal_forms, not_built
    from tradewind.spec.workload import alone, group_not_built

    unbuilt = [sentence for task in workload.tasks for sentence in not_built(alone(task, workload))]
    if workload.is_single:
        return {"file": file, "valid": True, "task": normal_form(workload.tasks[0]), "not_there_yet": unbuilt}
    return {
        "file": file,
        "valid": True,
        "documents": normal_forms(workload),
        "not_there_yet": [*group_not_built(workload), *unbuilt],
    }


def _defaults(file: str) -> list[dict[str, Any]]:
    """For each task the defaults that were added; sizes are the planner's to say."""
    from tradewind.broker.planner.need import DEFAULT_MEMORY_GIB, DEFAULT_VCPUS
    from tradewind.spec import load_defaults

    sizes = {"resources.cpus": f"{DEFAULT_VCPUS:g}+", "resources.memory": f"{DEFAULT_MEMORY_GIB:g}+"}
    return [
        {field: sizes[field] if value is None else value for field, value in found.items()}
        for found in load_defaults(file)
    ]


def _print(verdict: dict[str, Any]) -> None:
    if not verdict["valid"]:
        print(f"tradewind: {verdict['error']}", file=sys.stderr)
        return
    print(f"{verdict['file']}: ok")
    forms = verdict.get("documents") or [verdict["task"]]
    print("  " + "\n  ---\n  ".join(_yaml(form).replace("\n", "\n  ") for form in forms))
    for number, found in enumerate(verdict.get("defaults", ()), start=1):
        print("  defaults added:" if len(verdict["defaults"]) == 1 else f"  defaults added to task {number}:")
        for field, value in found.items():
            print(f"    + {field}: {_flow(value)}")
    for sentence in verdict["not_there_yet"]:
        print(f"  at launch: {sentence}")


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
    from tradewind.spec import json_schema

    print_json(json_schema())
    return exits.OK
