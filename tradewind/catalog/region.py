"""A region: where it lies and what its power emits."""

from __future__ import annotations

import msgspec


class Region(msgspec.Struct, frozen=True):
    """A cloud's region; None and "" mean unknown. `gco2eq_per_kwh` is the average grid's carbon intensity.

    `zones` are the names offers use (AWS: zone ids such as use1-az1, which mean the same zone in every account).
    """

    cloud: str
    name: str
    zones: tuple[str, ...] = ()
    continent: str = ""
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None
    gco2eq_per_kwh: float | None = None
    restricted: bool = False
