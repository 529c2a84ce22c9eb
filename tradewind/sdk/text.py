"""Bytes of a stream as lines of text. Pure."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

LONGEST_LINE = 1 << 20  # characters; a longer line comes in pieces, so that no output fills the memory


class Lines:
    """Cuts bytes into lines, each with its newline; what is no UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[str]:
        """The lines that are complete now; with `last` also what is left."""
        *whole, self._rest = (self._rest + self._decode(piece, last)).split("\n")
        for line in whole:
            yield line + "\n"
        while len(self._rest) > LONGEST_LINE:
            yield self._rest[:LONGEST_LINE]
            self._rest = self._rest[LONGEST_LINE:]
        if last and self._rest:
            yield self._rest
            self._rest = ""
