"""`tradewind validate FILE...`."""

from __future__ import annotations

import sys

import click

from tradewind.cli import exits, options
from tradewind.cli.errors import exit_code_of, sentence_of
from tradewind.cli.output import print_json


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@options.as_json
def validate(files: tuple[str, ...], *, as_json: bool) -> int:
    """Check task files; every bad one gets its sentence, and the exit code is 2 if there was any."""
    from tradewind.spec import load_task, normal_form

    code = exits.OK
    forms = []
    for file in files:
        try:
            task = load_task(file)
        except Exception as error:
            if exit_code_of(error) is None:
                raise
            code = exits.BAD_INPUT
            forms.append({"file": file, "valid": False, "error": sentence_of(error)})
            if not as_json:
                print(f"tradewind: {sentence_of(error)}", file=sys.stderr)
        else:
            forms.append({"file": file, "valid": True, "task": normal_form(task)})
            if not as_json:
                print(f"{file}: ok")
    if as_json:
        print_json(forms)
    return code
