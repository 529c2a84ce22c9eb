"""The drawing of a front: letters, SVG and PNG."""

from __future__ import annotations

import struct
import zlib
from xml.etree import ElementTree as ET

from tradewind.cli import frontplot

POINTS = [(1.0, 10.0), (2.0, 5.0), (8.0, 1.0)]
LABELS = ("cost (USD)", "time (h)")


def test_letters_fit_the_terminal_and_hold_every_point() -> None:
    drawn = frontplot.letters(POINTS, LABELS)
    assert max(map(len, drawn.splitlines())) <= 80
    rows = drawn.splitlines()
    assert rows[1].split("|")[1].startswith("1")
    assert rows[12].rstrip().endswith("3")
    assert rows[0].strip() == "time (h)"


def test_one_point_can_be_drawn() -> None:
    assert "1" in frontplot.letters(POINTS[:1], LABELS)
    assert frontplot.svg(POINTS[:1], LABELS, "one")
    assert frontplot.png(POINTS[:1])


def test_svg_is_xml_with_a_dot_for_each_point() -> None:
    root = ET.fromstring(frontplot.svg(POINTS, LABELS, "a < b & c"))
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 3
    assert frontplot.svg(POINTS, LABELS, "t") == frontplot.svg(POINTS, LABELS, "t")


def test_png_has_its_chunks_and_its_pixels() -> None:
    data = frontplot.png(POINTS)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, kinds, pixels = 8, [], b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        kinds.append(kind)
        if kind == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", body)
        if kind == b"IDAT":
            pixels = zlib.decompress(body)
        at += 12 + length
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert rest == [8, 3, 0, 0, 0]
    assert len(pixels) == (width + 1) * height
    assert pixels.count(1) > 150  # the dots and the steps between them
