"""Names a person typed, held against those the catalog knows: exact but for case, with the nearest where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from tradewind.catalog.errors import UnknownNameError
from tradewind.catalog.region import Region

AWS_ZONE_NAME = re.compile(r"(.+-\d+)[a-z]")


def is_pattern(name: str) -> bool:
    """Whether the name stands for several: it holds `*` or `?`."""
    return "*" in name or "?" in name


def matching(name: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that `name` means, a pattern or a plain name, whatever the case."""
    wanted = name.lower()
    if not is_pattern(wanted):
        return [each for each in known if each.lower() == wanted]
    escaped = wanted.replace("[", "[[]")
    return [each for each in known if fnmatchcase(each.lower(), escaped)]


def check(kind: str, name: str, known: list[str], within: str = "") -> None:
    """`name` means one of `known`; otherwise raises UnknownNameError with the nearest."""
    if matching(name, known):
        return
    from difflib import get_close_matches  # only a miss needs it

    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    raise UnknownNameError(kind, name, by_lower[near[0]] if near else "", within)


def regions_with_zone(zone: str, regions: Mapping[tuple[str, str], Region]) -> list[tuple[str, str]]:
    """The (cloud, region) pairs that have the zone, which may be a pattern.

    AWS's letters differ between accounts, so us-east-1a is no zone id; any account has it as one of the region's.
    """
    pairs = [key for key, region in regions.items() if matching(zone, region.zones)]
    letter = AWS_ZONE_NAME.fullmatch(zone.lower())
    if letter and ("aws", letter[1]) in regions:
        pairs.append(("aws", letter[1]))
    return pairs
