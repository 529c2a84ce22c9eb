from __future__ import annotations

from tradewind.catalog import egress_prices
from tradewind.catalog.egress import INTERNET, network_speeds


def test_prices_by_way() -> None:
    prices = egress_prices()
    assert len(prices) == 5925
    assert prices["aws", "af-south-1", INTERNET, ""] == 0.154
    assert all(0 <= price < 1 for price in prices.values())
    assert not any(way[:2] == way[2:] for way in prices)


def test_speeds_are_medians_between_the_continents_of_two_clouds() -> None:
    speeds = network_speeds()
    assert speeds["gcp/Europe", "gcp/North America"] > speeds["gcp/Europe", "aws/North America"]
    assert all(0 < speed < 25 for speed in speeds.values())
    assert len(speeds) == 283
