"""`tradewind config`: a person's limits, which the daemon keeps to; they lie in `limits.yaml` in the data directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from tradewind.broker.jobs.limits import Limits

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
    text = value.upper().removesuffix("USD/H").removesuffix("USD").strip()
    try:
        number: float = int(text) if name == "max_active_jobs" else float(text)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no number.", param_hint=name) from None
    _change({name: number})
    return exits.OK


@config.command()
@click.argument("name", metavar="NAME", type=click.Choice(list(MEANINGS)))
def unset(name: str) -> int:
    """Back to the default."""
    _change({name: None})
    return exits.OK


def _path() -> str:
    from tradewind.broker.jobs.limits import FILE_NAME
    from tradewind.cli.daemon import data_dir

    return os.path.join(data_dir(), FILE_NAME)


def _read(path: str) -> tuple[dict[str, Any], Limits]:
    """What the file says, and what holds. Raises CliError."""
    import yaml

    from tradewind.broker.jobs.limits import Limits, LimitsError, parse_limits
    from tradewind.cli.errors import CliError

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return {}, Limits()
    try:
        limits = parse_limits(text, path)
    except LimitsError as error:
        raise CliError(f"{error}; mend the file.", exits.BAD_INPUT) from error
    return dict(yaml.safe_load(text) or {}), limits


def _change(changes: dict[str, float | None]) -> None:
    """Write the file anew, whole or not at all; its comments go, what else it says stays."""
    import yaml

    from tradewind.broker.jobs.limits import LimitsError, parse_limits
    from tradewind.broker.store.directory import prepare
    from tradewind.broker.store.errors import StoreError
    from tradewind.cli.daemon import data_dir
    from tradewind.cli.errors import CliError

    path = _path()
    said = {name: value for name, value in (_read(path)[0] | changes).items() if value is not None}
    text = yaml.safe_dump(said, sort_keys=False) if said else ""
    try:
        parse_limits(text, path)
        prepare(data_dir())
    except LimitsError as error:
        raise CliError(f"{str(error).removeprefix(f'{path}: ')}.", exits.BAD_INPUT) from error
    except StoreError as error:
        raise CliError(f"{error}.", exits.FAILED) from error
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)
    _show(as_json=False)


def _show(*, as_json: bool) -> None:
    from tradewind.cli.terminal import Column, table

    path = _path()
    said, limits = _read(path)
    if as_json:
        print_json({"file": path, **{name: getattr(limits, name) for name in MEANINGS}})
        return
    rows = []
    for name, meaning in MEANINGS.items():
        value = getattr(limits, name)
        rows.append([name, "none" if value is None else f"{value:g}", "" if name in said else "default", meaning])
    print(
        table([Column("NAME"), Column("VALUE", "right"), Column(""), Column("MEANING", shrink=True)], rows, limit=None)
    )
    print(f"\nFrom {path}; read anew whenever it changes.")
