from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.cli.priceplot import price_plot
from tradewind.cli.sparkline import ASCII_BARS, BARS, can_show, sparkline


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], BARS),
        ([3, 3], "▅▅"),
        ([1, None, 2], "▁ █"),
        ([None], " "),
        ([], ""),
    ],
)
def test_bars(values: list[float | None], drawn: str) -> None:
    assert sparkline(values) == drawn


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=30))
def test_one_letter_a_value_and_higher_is_never_lower(values: list[float | None]) -> None:
    drawn = sparkline(values, ascii_only=True)
    assert len(drawn) == len(values)
    pairs = sorted(
        (value, ASCII_BARS.index(bar)) for value, bar in zip(values, drawn, strict=True) if value is not None
    )
    assert [bar for _, bar in pairs] == sorted(bar for _, bar in pairs)


def test_a_terminal_without_the_letters_is_noticed() -> None:
    assert can_show("utf-8")
    assert not can_show("ascii")
    assert not can_show(None)
    assert not can_show("no-such-encoding")


def test_a_plot_is_whole_xml_with_a_line_a_series() -> None:
    text = price_plot(
        {"m1 <a & b>": [("2026-01-01", 1.0), ("2026-02-01", 0.5)], "m2": [("2026-01-15", 2.0)]}, "USD/hour"
    )
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    lines = [path for path in root.iter(f"{space}path") if path.get("fill") == "none"]
    assert len(lines) == 2
    assert len(list(root.iter(f"{space}circle"))) == 3
    words = [word.text for word in root.iter(f"{space}text")]
    assert {"m1 <a & b>", "2026-01-01", "2026-02-01", "USD/hour"} <= set(words)
    heights = [float(circle.get("cy", "nan")) for circle in root.iter(f"{space}circle")]
    assert heights[2] < heights[0] < heights[1]
    assert not any(math.isnan(height) for height in heights)


@pytest.mark.parametrize("series", [{}, {"m1": []}, {"m1": [("2026-01-01", 0.0)]}])
def test_a_plot_of_little_is_still_a_plot(series: dict[str, list[tuple[str, float]]]) -> None:
    ET.fromstring(price_plot(series, "USD/hour"))
