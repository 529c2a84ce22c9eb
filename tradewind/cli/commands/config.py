"""`tradewind config`: a person's limits, which the daemon keeps to; they lie in `limits.yaml` in the data directory."""

from __future__ import annotations

import click

from tradewind.cli import exits, options
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json

MEANINGS = {
    "max_active_jobs": "managed jobs that have machines at a time",
    "max_hourly_cost": "USD an hour for everything together; a launch above it is refused",
    "budget": "USD for all managed jobs ever",
}


@click.group(cls=SuggestingGroup, invoke_without_command=True)
@options.as_json
@click.pass_context
def config(context: click.Context, *, as_json: bool) -> int:
    """What the daemon keeps to, whoever asks: a cap on the price of an hour, a budget, how many jobs are active at a time."""
    if context.invoked_subcommand is None:
        _show(as_json=as_json)
    return exits.OK


@config.command(name="set")
@click.argument("name", metavar="NAME", type=click.Choice(list(MEANINGS)))
@click.argument("value", metavar="VALUE")
def set_(name: str, value: str) -> int:
    """Set one, from now on: `tradewind config set max_hourly_cost 20`."""
    from tradewind.sdk import config as kept

    text = value.upper().removesuffix("USD/H").removesuffix("USD").strip()
    try:
        number: float = int(text) if name == "max_active_jobs" else float(text)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no number.", param_hint=name) from None
    kept.set(name, number)  # type: ignore[arg-type]  # click chose one of them
    _show(as_json=False)
    return exits.OK


@config.command()
@click.argument("name", metavar="NAME", type=click.Choice(list(MEANINGS)))
def unset(name: str) -> int:
    """Back to the default."""
    from tradewind.sdk import config as kept

    kept.unset(name)  # type: ignore[arg-type]  # click chose one of them
    _show(as_json=False)
    return exits.OK


def _show(*, as_json: bool) -> None:
    from tradewind.cli.terminal import Column, table, width, wrapped
    from tradewind.sdk import config as kept

    said, limits = kept.said(), kept.get()
    if as_json:
        print_json({"file": kept.path(), **{name: getattr(limits, name) for name in MEANINGS}})
        return
    rows = []
    for name, meaning in MEANINGS.items():
        value = getattr(limits, name)
        rows.append([name, "none" if value is None else f"{value:g}", "" if name in said else "default", meaning])
    columns = [Column("NAME"), Column("VALUE", "right"), Column(""), Column("MEANING", shrink=True)]
    print(table(columns, rows, limit=width(), wrap_last=True))
    print("\n" + wrapped(f"From {kept.path()}; read anew whenever it changes.", limit=width()))
