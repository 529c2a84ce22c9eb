"""`tradewind catalog`: what the catalog holds, what is set aside, a person's own offers in it, and how it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, notes, options, terminal
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.catalog.comparing import Comparison, PriceChange


@click.group()
def catalog() -> None:
    """The catalog itself: what is in it, what is set aside, your own offers in it."""


def _table(columns: Sequence[Column], cells: Sequence[Sequence[str]], *, wrap_last: bool = False) -> str:
    return terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful(), wrap_last=wrap_last)


@catalog.command()
@options.catalog
@options.as_json
def info(catalog: str | None, *, as_json: bool) -> int:
    """How many offers of which clouds, and from when."""
    from tradewind.catalog.age import age_note
    from tradewind.catalog.upkeep import info as held_of

    held = held_of(catalog)
    if as_json:
        print_json(held)
        return exits.OK
    dated = f", newest price of {held.date}" if held.date else ""
    print(f"{held.offers:,} offer{'' if held.offers == 1 else 's'}, {held.source}{dated}.")
    if held.imports:
        print(f"Your own offers are in it: {', '.join(held.imports)}.")
    if held.snapshots:
        print(f"Kept snapshots: {', '.join(held.snapshots)}.")
    columns = [Column("CLOUD"), Column("OFFERS", "right"), Column("REGIONS", "right")]
    counts = [[cloud, f"{count.offers:,}", str(count.regions)] for cloud, count in held.clouds.items()]
    print("\n" + _table(columns, counts))
    note = age_note(held.date, notes.today())
    notes.remark([note] if note else [])
    return exits.OK


@catalog.command()
@options.catalog
@options.as_json
def doctor(catalog: str | None, *, as_json: bool) -> int:
    """What of the catalog is not believed or not known, and your own offers in it. What is set aside is never planned on."""
    from tradewind.catalog.upkeep import doctor as examined

    found = examined(catalog)
    if as_json:
        print_json(found)
        return exits.OK
    columns = [Column("CLOUD"), Column("REGION"), Column("TYPE", shrink=True), Column("WHY SET ASIDE")]
    cells = [[q.offer.cloud, q.offer.region, q.offer.instance_type, q.reason] for q in found.set_aside]
    if found.set_aside:
        print(_table(columns, cells, wrap_last=True))
        print(f"\n{len(found.set_aside)} offers are set aside: their prices are not believed.\n")
    else:
        print("No offers are set aside.\n")
    if found.imports:
        columns = [Column("YOUR OFFERS"), Column("OF"), Column("OFFERS", "right"), Column("FILE", shrink=True)]
        print(_table(columns, [[e.name, e.date, str(e.offers), e.path] for e in found.imports]) + "\n")
    else:
        print("No offers of your own are imported.\n")
    for line in found.sentences():
        print(terminal.wrapped(line, limit=terminal.width()))
    return exits.OK


@catalog.command(name="import")
@click.argument("file", metavar="FILE.csv")
@click.option("--name", default="", help="What to call these offers; the file's name if not given.")
@options.as_json
def import_(file: str, name: str, *, as_json: bool) -> int:
    """Keep your own offers - a private cluster, a negotiated price - and merge them into every plan.

    The CSV (also .gz) has the columns cloud, region, instance_type and a price, price_ondemand_usd_h or price_spot_usd_h (USD an hour); zone
    and the others of the offer schema as you know them. A type that is sold there already gets your price; without a zone, in the whole
    region. A blank keeps what is known.
    """
    from tradewind.catalog.upkeep import import_offers

    added = import_offers(file, name)
    if as_json:
        print_json(added)
        return exits.OK
    again = ", in place of what had that name" if added.replaced else ""
    print(
        terminal.wrapped(
            f"Imported '{added.name}'{again}: {added.offers} offer{'s' if added.offers != 1 else ''}, {added.stand_in} in place of shipped "
            f"prices, {added.new} new. Every plan counts on them; `tradewind catalog remove {added.name}` takes them out.",
            limit=terminal.width(),
        )
    )
    return exits.OK


@catalog.command()
@click.argument("name")
def remove(name: str) -> int:
    """Take imported offers out again; plans go by the shipped prices."""
    from tradewind.catalog.upkeep import remove_offers

    remove_offers(name)
    print(f"Removed '{name}'.")
    return exits.OK


@catalog.command()
@click.argument("file", required=False, metavar="[FILE.csv]")
@click.option(
    "--date", default="", metavar="YYYY-MM-DD", help="The day of the prices; the shipped snapshot knows its own."
)
@options.as_json
def keep(file: str | None, date: str, *, as_json: bool) -> int:
    """Keep the shipped snapshot (or a CSV of offers) on this machine, so that prices can be compared over time."""
    from tradewind.catalog.upkeep import keep as kept_of

    if file is not None and not date:
        raise click.UsageError("a CSV does not say of which day its prices are; add --date 2026-05-20.")
    kept = kept_of(file, date)
    if as_json:
        print_json(kept)
    else:
        print(f"Kept the prices of {kept.date} in {kept.path}.")
    return exits.OK


@catalog.command()
@click.argument("before", metavar="A")
@click.argument("after", default="current", metavar="[B]")
@click.option("--cloud", "clouds", multiple=True, help="Only these clouds; may be repeated.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many price changes to list."
)
@options.as_json
def diff(before: str, after: str, clouds: tuple[str, ...], limit: int, *, as_json: bool) -> int:
    """What changed from catalog A to catalog B (the current one if not given).

    Each is `shipped`, `current` (with your own offers), the day of a kept snapshot, a CSV of offers, or a directory with a built snapshot.
    """
    from tradewind.catalog.upkeep import diff as changes

    found = changes(before, after, clouds=clouds)
    if as_json:
        print_json(found)
        return exits.OK
    print(_summary(found, before, after))
    if found.changed and limit:
        print("\n" + _changes_table(found.changed[:limit]))
        if len(found.changed) > limit:
            print(f"\nand {len(found.changed) - limit:,} more; --limit lists more, --json all.")
    return exits.OK


def _summary(found: Comparison, before: str, after: str) -> str:
    dearer = sum(1 for change in found.changed if change.ratio is not None and change.ratio > 1)
    cheaper = sum(1 for change in found.changed if change.ratio is not None and change.ratio < 1)
    other = len(found.changed) - dearer - cheaper
    also = f", {other:,} began or ended in a market" if other else ""
    return terminal.wrapped(
        f"From {before} to {after}: {len(found.added):,} {'offer' if len(found.added) == 1 else 'offers'} came, {len(found.removed):,} went, {found.same:,} stayed as they were; "
        f"{cheaper:,} {'price' if cheaper == 1 else 'prices'} fell, {dearer:,} rose{also}.",
        limit=terminal.width(),
    )


def _changes_table(changes: Sequence[PriceChange]) -> str:
    from tradewind.cli.planpage import market, within_cloud

    columns = [
        Column("CLOUD"),
        Column("PLACE", shrink=True),
        Column("TYPE", shrink=True),
        Column("MARKET"),
        Column("BEFORE", "right"),
        Column("AFTER", "right"),
        Column("BY", "right"),
    ]
    cells: list[list[Any]] = [
        [
            change.cloud,
            within_cloud(change.region, change.zone),
            change.instance_type,
            market(use_spot=change.use_spot),
            terminal.usd(change.before),
            terminal.usd(change.after),
            "-" if change.ratio is None else f"{change.ratio - 1:+.0%}",
        ]
        for change in changes
    ]
    return _table(columns, cells)
