"""Prices over time as an SVG drawing. Pure: points in, text out, the same bytes for the same points."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

# Paul Tol's "bright" palette: told apart by most colour-blind readers (personal.sron.nl/~pault).
_COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#BBBBBB")
_WIDTH, _HEIGHT = 900, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 300, 40, 50

Point = tuple[str, float]


def price_plot(series: Mapping[str, Sequence[Point]], title: str) -> str:
    """An SVG of each named series of (day YYYY-MM-DD, USD/hour), a price holding until the next is seen. From zero, so that shares show."""
    days = sorted({dt.date.fromisoformat(day) for points in series.values() for day, _ in points})
    top = max((price for points in series.values() for _, price in points), default=0.0) or 1.0
    first, span = (days[0], max((days[-1] - days[0]).days, 1)) if days else (dt.date(2000, 1, 1), 1)

    def x(day: str) -> float:
        return _LEFT + (dt.date.fromisoformat(day) - first).days / span * (_WIDTH - _LEFT - _RIGHT)

    def y(price: float) -> float:
        return _HEIGHT - _BOTTOM - price / top * (_HEIGHT - _TOP - _BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for step in range(5):
        price = top * step / 4
        lines.append(
            f'<path d="M{_LEFT} {y(price):.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 8}" y="{y(price) + 4:.1f}" text-anchor="end">{price:.4g}</text>'
        )
    for day in dict.fromkeys((str(days[0]), str(days[-1]))) if days else ():
        anchor = "start" if day == str(days[0]) else "end"
        lines.append(f'<text x="{x(day):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="{anchor}">{day}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        lines += _drawn([(x(day), y(price)) for day, price in points], colour)
        lines.append(
            f'<text x="{_WIDTH - _RIGHT + 16}" y="{_TOP + 10 + 16 * number}" fill="{colour}">{escape(name[:44])}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _drawn(points: Sequence[tuple[float, float]], colour: str) -> list[str]:
    if not points:
        return []
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}" + "".join(f"H{px:.1f}V{py:.1f}" for px, py in points[1:])
    dots = "".join(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points)
    return [f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}']
