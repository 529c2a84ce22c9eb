"""`tradewind offers`' flags as a query of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tradewind.catalog.filter import OfferFilter

if TYPE_CHECKING:
    from tradewind.catalog import Catalog


def bounds(text: str | None, flag: str) -> tuple[float | None, float | None]:
    """The inclusive limits that `4` or `4+` set; both None when nothing was given.

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return None, None
    number = text.removesuffix("+")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise click.BadParameter(f"{text!r} is no amount; write 4 for exactly, 4+ for at least.", param_hint=flag)
    return value, None if text.endswith("+") else value


def accelerator(text: str | None, shelf: Catalog) -> tuple[str | None, float | None]:
    """The canonical name and the count of `A100:8`; any count when none is given.

    Raises:
        click.BadParameter: the count is no number.
        UnknownNameError: nobody sells it.
    """
    if text is None:
        return None, None
    name, colon, count = text.partition(":")
    try:
        wanted = float(count) if colon else 1.0
    except ValueError:
        raise click.BadParameter(
            f"{count!r} is no count of accelerators; write {name}:8.", param_hint="--gpu"
        ) from None
    canonical, number = shelf.resolve_accelerators(name, wanted)
    return canonical, number if colon or number != 1 else None


def offer_filter(
    shelf: Catalog,
    *,
    clouds: tuple[str, ...],
    region: str | None,
    zone: str | None,
    gpu: str | None,
    cpus: str | None,
    memory: str | None,
    arch: str | None,
    instance_type: str | None,
    spot: bool,
    everything: bool,
) -> OfferFilter:
    """The query. Naming a type or a region counts as asking for it, restricted and burstable ones too.

    Raises:
        click.BadParameter: an amount is no number.
        UnknownNameError: no offer has that accelerator.
    """
    least_cpus, most_cpus = bounds(cpus, "--cpus")
    least_memory, most_memory = bounds(memory, "--memory")
    name, count = accelerator(gpu, shelf)
    return OfferFilter(
        clouds=tuple(cloud.lower() for cloud in clouds),
        region=region,
        zone=zone,
        instance_type=instance_type,
        archs=() if arch in {None, "any"} else (str(arch),),
        min_vcpus=least_cpus,
        max_vcpus=most_cpus,
        min_memory_gib=least_memory,
        max_memory_gib=most_memory,
        accelerator=name,
        accelerator_count=count,
        use_spot=spot,
        restricted=everything or region is not None or zone is not None,
        burstable=everything or instance_type is not None,
    )
