"""`tradewind accelerators [NAME[:COUNT]]`, which `tradewind gpus [list] [NAME]` is too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from tradewind.cli import exits, notes, options, terminal
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewind.catalog import Catalog, OfferFilter
    from tradewind.catalog.history import PricePoint
    from tradewind.catalog.offer import Offer
    from tradewind.cli.acceleratorpage import Sold, Way

_OPTIONS = (
    click.option("--cloud", "clouds", multiple=True, help="aws, gcp, azure, lambda, vast; may be repeated."),
    click.option("--infra", metavar="PLACE", help="cloud, cloud/region or cloud/region/zone, * for any."),
    click.option("--region", metavar="NAME", help="The cloud's name for it; * and ? stand for any letters."),
    click.option("--gpu-memory", metavar="GIB", help="GiB of each device, at least."),
    click.option("--min-tflops", type=float, metavar="N", help="Dense bf16 TFLOPS of each device, by its datasheet."),
    click.option("--vendor", "vendors", multiple=True, help="NVIDIA, AMD, AWS, Google; may be repeated."),
    click.option("--all-regions", is_flag=True, help="With a NAME: the cheapest of each region, not of each cloud."),
    click.option("--history", is_flag=True, help="Draw the cheapest price of one over the snapshots kept here."),
    click.option("-a", "--all", "everything", is_flag=True, help="Also restricted and burstable offers."),
    options.catalog,
    options.as_json,
)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _show(
    name: str | None, catalog: str | None, *, all_regions: bool, history: bool, as_json: bool, wish: dict[str, Any]
) -> int:
    from tradewind.catalog import Wish, filter_of, open_catalog
    from tradewind.catalog.listing import left_out

    with open_catalog(catalog) as shelf:
        wanted = filter_of(Wish(gpu=name or "any", spot=None, **wish), shelf)
        remarks = [*left_out(shelf.unknown_figures(wanted)), *notes.of_catalog(shelf, notes.today())]
        found: list[Sold] = []
        if wanted.accelerator is None:
            found = _sold(shelf, wanted)
            text = _list_page(found)
            empty = not found
            told: object = [_flat(row) for row in found]
        else:
            ways = _ways(shelf, wanted, by_region=all_regions)
            text = _one_page(shelf, wanted.accelerator, ways)
            empty = not ways
            told = {
                "accelerator": wanted.accelerator,
                "facts": shelf.accelerator_facts.get(wanted.accelerator),
                "offers": ways,
            }
        names = [wanted.accelerator] if wanted.accelerator else [row.name for row in found]
        past = _past(shelf, names) if history and not empty else {}
    if past:
        from tradewind.cli.acceleratorpage import past_table

        text += "\n\n" + past_table(past, limit=terminal.width(), colour=terminal.colourful())
        told = {"now": told, "history": past}
    if as_json:
        print_json(told)
    elif empty:
        print("Nothing in the catalog fits; drop one of the filters.")
    else:
        print(text)
    notes.remark(remarks)
    return exits.NO_PLAN if empty else exits.OK


def _past(shelf: Catalog, names: Sequence[str]) -> dict[str, tuple[PricePoint, ...]]:
    """The least USD/hour of one device anywhere, in every kept snapshot and in the open catalog."""
    from tradewind.catalog import OfferFilter, PricePoint
    from tradewind.catalog.history import device_history
    from tradewind.cli.past import other_snapshots

    def now(name: str, *, use_spot: bool) -> float | None:
        asked = OfferFilter(accelerator=name, use_spot=use_spot, restricted=True, burstable=True)
        rows = shelf.offers(asked, 1, "per-gpu")
        return _each(rows[0] if rows else None, use_spot=use_spot)

    past = device_history(names, other_snapshots(shelf))
    if shelf.date:
        for name in names:
            today = PricePoint(shelf.date, now(name, use_spot=False), now(name, use_spot=True))
            past[name] = tuple(sorted((*past[name], today)))
    return past


def _sold(shelf: Catalog, wanted: OfferFilter) -> list[Sold]:
    from tradewind.cli.acceleratorpage import Sold

    def cheapest(*, use_spot: bool) -> dict[str, Offer]:
        rows = shelf.offers(replace(wanted, use_spot=use_spot), None, "per-gpu", "accelerator")
        return {offer.accelerator: offer for offer in rows}

    ondemand, spot = cheapest(use_spot=False), cheapest(use_spot=True)
    names = sorted(ondemand.keys() | spot.keys())
    clouds = shelf.clouds_of_accelerators(wanted)
    found = []
    for name in names:
        facts = shelf.accelerator_facts.get(name)
        some = ondemand.get(name) or spot[name]
        found.append(
            Sold(
                name,
                facts,
                facts.memory_gib if facts else some.accelerator_memory_gib,
                clouds[name],
                _each(ondemand.get(name), use_spot=False),
                _each(spot.get(name), use_spot=True),
            )
        )
    return found


def _each(offer: Offer | None, *, use_spot: bool) -> float | None:
    if offer is None:
        return None
    price = offer.price_spot_usd_h if use_spot else offer.price_ondemand_usd_h
    return price / offer.accelerator_count if price is not None and offer.accelerator_count else None


def _ways(shelf: Catalog, wanted: OfferFilter, *, by_region: bool) -> list[Way]:
    """The cheapest of each count and cloud (or region), by count and then price."""
    from tradewind.cli.acceleratorpage import Way

    best: dict[tuple[float, str, str], dict[bool, Offer]] = {}
    for use_spot in (False, True):
        for offer in shelf.offers(replace(wanted, use_spot=use_spot)):
            key = (round(offer.accelerator_count, 3), offer.cloud, offer.region if by_region else "")
            best.setdefault(key, {}).setdefault(use_spot, offer)
    ways = [
        Way(wanted.accelerator or "", count, cloud, markets.get(False), markets.get(True))
        for (count, cloud, _), markets in best.items()
    ]
    return sorted(ways, key=_by_count_and_price)


def _by_count_and_price(way: Way) -> tuple[float, float, str, str]:
    prices = (
        way.ondemand.price_ondemand_usd_h if way.ondemand else None,
        way.spot.price_spot_usd_h if way.spot else None,
    )
    some = way.ondemand or way.spot
    return way.count, next((p for p in prices if p is not None), 0.0), way.cloud, some.region if some else ""


def _list_page(found: Sequence[Sold]) -> str:
    from tradewind.cli.acceleratorpage import accelerators_table

    return accelerators_table(found, limit=terminal.width(), colour=terminal.colourful())


def _one_page(shelf: Catalog, name: str, ways: Sequence[Way]) -> str:
    from tradewind.cli.acceleratorpage import facts_lines, ways_table

    limit = terminal.width()
    lines = facts_lines(name, shelf.accelerator_facts.get(name), limit=limit)
    return "\n".join([*lines, "", ways_table(ways, limit=limit, colour=terminal.colourful())])


def _flat(row: Sold) -> dict[str, Any]:
    """The row for JSON, with the datasheet's figures beside the prices."""
    import msgspec

    told = msgspec.to_builtins(row)
    facts = told.pop("facts") or {}
    facts.pop("name", None)
    return {**facts, **told}


@click.command()
@click.argument("name", required=False, metavar="[NAME[:COUNT]]")
@_filters
def accelerators(
    name: str | None, catalog: str | None, *, all_regions: bool, history: bool, as_json: bool, **wish: Any
) -> int:
    """The accelerators on sale, with datasheet figures and the least USD an hour for one; with a NAME, every count and cloud it is sold on.

    Exit code 3 when nothing fits.
    """
    return _show(name, catalog, all_regions=all_regions, history=history, as_json=as_json, wish=wish)


@click.command()
@click.argument("words", nargs=-1, metavar="[list] [NAME[:COUNT]]")
@_filters
def gpus(
    words: tuple[str, ...], catalog: str | None, *, all_regions: bool, history: bool, as_json: bool, **wish: Any
) -> int:
    """As `tradewind accelerators`; `gpus list` is what SkyPilot's users type."""
    names = words[1:] if words[:1] == ("list",) else words
    if len(names) > 1:
        raise click.UsageError(f"one accelerator at a time; `{names[1]}` is too many.")
    return _show(
        names[0] if names else None, catalog, all_regions=all_regions, history=history, as_json=as_json, wish=wish
    )
