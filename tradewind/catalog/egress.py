"""What moving bytes out of a region costs, and how fast they go."""

from __future__ import annotations

from tradewind.catalog.snapshot import DATA_DIRECTORY, read_rows

INTERNET = "internet"  # as a destination cloud, with the region ""


def egress_prices(directory: str = DATA_DIRECTORY) -> dict[tuple[str, str, str, str], float]:
    """USD/GB, first tier (under 10 TB), by (source cloud, source region, destination cloud, destination region).

    Moves within a region are not listed. ("aws", "us-east-1", INTERNET, "") is the way to the public internet.
    """
    return {(row[0], row[1], row[2], row[3]): float(row[4]) for row in read_rows("egress.csv.xz", directory)}


def network_speeds(directory: str = DATA_DIRECTORY) -> dict[tuple[str, str], float]:
    """Gbit/s by (source area, destination area), an area being a cloud's continent ("aws/Europe"): the median of the pairs of regions measured."""
    return {(row[0], row[1]): float(row[2]) for row in read_rows("network_speeds.csv", directory)}
