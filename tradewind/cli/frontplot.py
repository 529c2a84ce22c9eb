"""A Pareto front as a drawing: letters for a terminal, SVG, PNG. Pure: points in, text or bytes out, the same for the same points."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Sequence
from xml.sax.saxutils import escape

_INK, _PAPER, _GRID = 1, 0, 2
_PALETTE = (b"\xff\xff\xff", b"\x44\x77\xaa", b"\xdd\xdd\xdd")  # paper, Paul Tol's blue, grid
_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 30, 40, 50

Point = tuple[float, float]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _scaled(points: Sequence[Point], columns: float, rows: float) -> list[tuple[float, float]]:
    """The points in a box of so many columns and rows, the origin below left."""
    (x0, x1), (y0, y1) = _span([x for x, _ in points]), _span([y for _, y in points])
    return [((x - x0) / (x1 - x0) * columns, (y - y0) / (y1 - y0) * rows) for x, y in points]


def letters(points: Sequence[Point], labels: tuple[str, str], *, columns: int = 64, rows: int = 12) -> str:
    """The points in a box of letters, x to the right and y upwards, each numbered 1-9 and then a-z; fits 80 columns by default."""
    grid = [[" "] * columns for _ in range(rows)]
    marks = "123456789abcdefghijklmnopqrstuvwxyz"
    for number, (x, y) in reversed(list(enumerate(_scaled(points, columns - 1, rows - 1)))):
        grid[rows - 1 - round(y)][round(x)] = marks[number % len(marks)]
    (x0, x1), (y0, y1) = _span([x for x, _ in points]), _span([y for _, y in points])
    margin = max(len(f"{y0:.4g}"), len(f"{y1:.4g}"))
    names = {0: f"{y1:.4g}", rows - 1: f"{y0:.4g}"}
    lines = [f"{labels[1]}"]
    lines += [f"{names.get(i, ''):>{margin}} |{''.join(row).rstrip()}" for i, row in enumerate(grid)]
    low, high = f"{x0:.4g}", f"{x1:.4g} {labels[0]}"
    lines += [
        f"{'':>{margin}} +{'-' * columns}",
        f"{'':>{margin}}  {low}{high:>{max(columns - len(low), len(high) + 1)}}",
    ]
    return "\n".join("  " + line for line in lines)


def _places(points: Sequence[Point]) -> list[tuple[float, float]]:
    box = _scaled(points, _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM)
    return [(_LEFT + x, _HEIGHT - _BOTTOM - y) for x, y in box]


def svg(points: Sequence[Point], labels: tuple[str, str], title: str) -> str:
    """An SVG of the front as steps: between two points nothing is better than the left one."""
    (x0, x1), (y0, y1) = _span([x for x, _ in points]), _span([y for _, y in points])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for step in range(5):
        x = _LEFT + step / 4 * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - step / 4 * (_HEIGHT - _TOP - _BOTTOM)
        lines.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{y0 + (y1 - y0) * step / 4:.4g}</text>')
        lines.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - 30}" text-anchor="middle">{x0 + (x1 - x0) * step / 4:.4g}</text>'
        )
    lines.append(f'<text x="{_WIDTH / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(labels[0])}</text>')
    lines.append(f'<text x="14" y="{_TOP - 4}">{escape(labels[1])}</text>')
    placed = sorted(_places(points))
    path = f"M{placed[0][0]:.1f} {placed[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in placed[1:])
    lines.append(f'<path d="{path}" fill="none" stroke="#4477AA" stroke-width="2"/>')
    lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#4477AA"/>' for x, y in placed]
    return "\n".join([*lines, "</svg>"]) + "\n"


def png(points: Sequence[Point]) -> bytes:
    """The same drawing without its words as a PNG (eight-bit palette, RFC 2083)."""
    canvas = [bytearray(_WIDTH) for _ in range(_HEIGHT)]
    for step in range(5):
        _across(
            canvas, _LEFT, _WIDTH - _RIGHT, round(_HEIGHT - _BOTTOM - step / 4 * (_HEIGHT - _TOP - _BOTTOM)), _GRID, 1
        )
    placed = sorted((round(x), round(y)) for x, y in _places(points))
    for (x, y), (after_x, after_y) in itertools.pairwise(placed):
        _across(canvas, x, after_x, y, _INK, 2)
        for row in range(min(y, after_y), max(y, after_y) + 2):
            _across(canvas, after_x, after_x + 1, row, _INK, 1)
    for x, y in placed:
        for row in range(-4, 5):
            half = round((16 - row * row) ** 0.5)
            _across(canvas, x - half, x + half, y + row, _INK, 1)
    raw = b"".join(b"\0" + bytes(row) for row in canvas)
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 3, 0, 0, 0)
    parts = (b"IHDR", header), (b"PLTE", b"".join(_PALETTE)), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _across(canvas: list[bytearray], x: int, to_x: int, y: int, colour: int, thick: int) -> None:
    for row in canvas[max(y, 0) : y + thick]:
        row[max(x, 0) : to_x + 1] = bytes([colour]) * (to_x + 1 - max(x, 0))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
