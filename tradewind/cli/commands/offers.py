"""`tradewind offers [filters]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, notes, options, terminal
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewind.catalog import Catalog
    from tradewind.catalog.history import PricePoint
    from tradewind.catalog.offer import Offer

ORDERS = ["price", "per-gpu", "per-tflop", "per-gpu-gib", "per-vcpu", "per-gib", "name"]
_EACH = {"cloud": "cloud", "region": "region", "zone": "zone", "type": "instance_type", "accelerator": "accelerator"}
_MOST = 10_000_000

_PLACE = (
    click.option("--cloud", "clouds", multiple=True, help="aws, gcp, azure, lambda, vast; may be repeated."),
    click.option("--infra", metavar="PLACE", help="cloud, cloud/region or cloud/region/zone, * for any."),
    click.option("--region", metavar="NAME", help="The cloud's name for it; * and ? stand for any letters."),
    click.option("--zone", metavar="NAME", help="Likewise; a regional offer is in every zone of its region."),
    click.option("--continent", "continents", multiple=True, help="Europe, 'North America', ...; may be repeated."),
    click.option("--country", "countries", multiple=True, metavar="ISO", help="DE, US, ...; may be repeated."),
    click.option("--max-carbon", type=float, metavar="G", help="The grid's gCO2eq/kWh at most; unknown is left out."),
    click.option("--exclude", multiple=True, metavar="PLACE", help="cloud/region/zone/type, * for any; repeatable."),
)
_MACHINE = (
    click.option("-t", "--instance-type", metavar="NAME", help="The cloud's name for it; * and ? as in --region."),
    click.option(
        "--gpu", "--gpus", "gpu", metavar="NAME[:N[+]]", help="A100, A100:8, A100:4+, v5litepod-8; any, none."
    ),
    click.option("--gpu-memory", metavar="GIB", help="GiB of each device, at least."),
    click.option("--min-tflops", type=float, metavar="N", help="Dense bf16 TFLOPS of each device, by its datasheet."),
    click.option("--min-bandwidth", type=float, metavar="N", help="Memory GB/s of each device, by its datasheet."),
    click.option("--vendor", "vendors", multiple=True, help="NVIDIA, AMD, AWS, Google; may be repeated."),
    click.option("--generation", "generations", multiple=True, help="Hopper, Ada, ...; may be repeated."),
    click.option("--cpus", metavar="N[+]", help="vCPUs: exactly N, or at least N."),
    click.option("--memory", metavar="GIB[+]", help="Memory: exactly, or at least; 4x for each vCPU."),
    click.option(
        "--local-disk", metavar="KIND:GB", help="Instance storage that comes with it: nvme, ssd:300, nvme:500+."
    ),
    click.option("--min-network", type=float, metavar="GBPS", help="Gbit/s that the machine can count on, at least."),
    click.option(
        "--feature",
        "features",
        multiple=True,
        metavar="NAME",
        help="bare_metal, efa, infiniband, nested_virtualization, tier_1; may be repeated, all must be there.",
    ),
    click.option("--arch", type=click.Choice(["x86_64", "arm64", "any"]), help="The processor's; any when not given."),
)
_MARKET = (
    click.option("--spot", "--use-spot", "spot", is_flag=True, help="Only what is sold as spot, by its spot price."),
    click.option("--max-price", type=float, metavar="USD", help="USD an hour for the machine, in that market."),
    click.option(
        "--max-risk", type=float, metavar="N", help="Spot interruptions an hour at most; unknown is left out."
    ),
    click.option(
        "--basis",
        "bases",
        multiple=True,
        type=click.Choice(["exact", "list", "derived", "own"]),
        help="How the price is known; may be repeated.",
    ),
    click.option("--all", "everything", is_flag=True, help="Also restricted and burstable offers."),
)
_SHOWN = (
    click.option(
        "--sort", type=click.Choice(ORDERS), default="price", show_default=True, help="Cheapest first, by this."
    ),
    click.option("--per", type=click.Choice(list(_EACH)), help="Only the first of each."),
    click.option("--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, help="How many."),
    click.option("--history", is_flag=True, help="Draw each price over the snapshots kept here."),
    click.option("--plot", type=click.Path(dir_okay=False), metavar="FILE.svg", help="Draw them into a file."),
)


def _all(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((*_PLACE, *_MACHINE, *_MARKET, *_SHOWN)):
        command = option(command)
    return command


@click.command()
@_all
@options.catalog
@options.as_json
def offers(
    sort: str,
    per: str | None,
    limit: int,
    plot: str | None,
    catalog: str | None,
    *,
    history: bool,
    as_json: bool,
    **wish: Any,
) -> int:
    """What the clouds sell that fits, cheapest first (USD an hour for the whole machine). Exit code 3 when nothing does."""
    from tradewind.catalog import Wish, filter_of, open_catalog
    from tradewind.catalog.listing import equipment_left_out, left_out

    with open_catalog(catalog) as shelf:
        wanted = filter_of(Wish(**wish), shelf)
        rows = shelf.offers(wanted, limit, sort, _EACH[per] if per else None)  # type: ignore[arg-type]  # click chose them
        unknown = (*left_out(shelf.unknown_figures(wanted)), *equipment_left_out(shelf.unknown_equipment(wanted)))
        remarks = [*unknown, *notes.of_catalog(shelf, notes.today())]
        if sort == "per-tflop":
            remarks = [*_unranked(shelf, wish), *remarks]
        points = _points(shelf, rows) if history or plot else None
        facts = shelf.accelerator_facts if sort in {"per-tflop", "per-gpu-gib"} else {}
    if plot and points is not None:
        _draw(plot, rows, points, use_spot=wanted.use_spot)
    if as_json:
        print_json(_told(rows, points, sort, shelf, use_spot=wanted.use_spot))
    elif rows:
        from tradewind.cli import past
        from tradewind.cli.offerpage import equipment_asked, offers_table

        lines = None if points is None else [past.drawn(each, use_spot=wanted.use_spot) for each in points]
        print(
            offers_table(
                rows,
                order=sort,
                use_spot=wanted.use_spot,
                facts=facts,
                lines=lines,
                equipment=equipment_asked(wanted),
                limit=terminal.width(),
                colour=terminal.colourful(),
            )
        )
    else:
        print("Nothing in the catalog fits; drop one of the filters.")
    notes.remark(remarks)
    return exits.OK if rows else exits.NO_PLAN


def _unranked(shelf: Catalog, wish: dict[str, Any]) -> list[str]:
    """What an order by TFLOPS cannot rank."""
    from tradewind.catalog import Wish, filter_of
    from tradewind.catalog.listing import left_out

    ranked = filter_of(Wish(**{**wish, "min_tflops": wish["min_tflops"] or 0.0}), shelf)
    return list(left_out(shelf.unknown_figures(ranked))) if wish["min_tflops"] is None else []


def _points(shelf: Catalog, rows: Sequence[Offer]) -> list[tuple[PricePoint, ...]]:
    """Each offer's prices over time."""
    from tradewind.catalog.history import history, key_of
    from tradewind.cli.past import other_snapshots

    found = history(rows, shelf.date, other_snapshots(shelf))
    return [found[key_of(offer)] for offer in rows]


def _told(
    rows: Sequence[Offer],
    points: Sequence[Sequence[PricePoint]] | None,
    sort: str,
    shelf: Catalog,
    *,
    use_spot: bool | None,
) -> list[dict[str, Any]]:
    """The rows for JSON: with the price for each unit where the order counts units, and with their past where it was asked for."""
    import msgspec

    from tradewind.cli.offerpage import UNITS, unit_price

    told: list[dict[str, Any]] = msgspec.to_builtins(rows)
    for number, offer in enumerate(rows):
        if sort in UNITS:
            told[number]["unit_price_usd_h"] = unit_price(offer, sort, shelf.accelerator_facts, use_spot=use_spot)
        if points is not None:
            told[number]["history"] = msgspec.to_builtins(points[number])
    return told


def _draw(path: str, rows: Sequence[Offer], points: Sequence[Sequence[PricePoint]], *, use_spot: bool | None) -> None:
    from tradewind.cli.past import prices
    from tradewind.cli.planpage import place
    from tradewind.cli.priceplot import price_plot

    series = {
        f"{offer.instance_type} {place(offer.cloud, offer.region, offer.zone)}": prices(past, use_spot=use_spot)
        for offer, past in list(zip(rows, points, strict=True))[:20]
    }
    market = "spot" if use_spot else "on demand"
    with open(path, "w", encoding="utf-8") as file:
        file.write(price_plot(series, f"USD/hour, {market}"))
    print(f"drawn into {path}", file=sys.stderr)
