"""One HTTP/1.1 answer (RFC 9112) out of the bytes of its connection: just what the daemon speaks. Pure, and quick to import.

The standard library's http.client would bring email and ssl with it, which take a third of the time of a whole `tradewind status`.
"""

from __future__ import annotations

MAX_HEAD_BYTES = 1 << 16


class BrokenAnswer(ConnectionError):  # noqa: N818  the name says what is the case
    """What came is no answer, or ended before its end."""


class AnswerReader:
    """Feed it what arrives; `status` is 0 until the head is there, and `done` once the last byte of the body is."""

    __slots__ = ("_chunked", "_held", "_left", "done", "reason", "status")

    def __init__(self) -> None:
        self.status, self.reason, self.done = 0, "", False
        self._held = b""
        self._chunked = False
        self._left = 0  # bytes of the body, or of its chunk, that are still to come

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that have come with these; b"" is the end of the connection.

        Raises:
            BrokenAnswer: it is no answer, or the connection ended before it did.
        """
        if not data and not self.done:
            raise BrokenAnswer("the connection ended before the answer did")
        self._held += data
        if not self.status and not self._head():
            return b""
        return self._chunks() if self._chunked else self._plain()

    def _head(self) -> bool:
        head, found, rest = self._held.partition(b"\r\n\r\n")
        if not found:
            if len(head) > MAX_HEAD_BYTES:
                raise BrokenAnswer("the answer's head does not end")
            return False
        first, *lines = head.split(b"\r\n")
        version, _, told = first.partition(b" ")
        code, _, reason = told.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not code.isdigit():
            raise BrokenAnswer("what answered does not speak HTTP")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        self._held, self.reason = rest, reason.decode("latin-1")
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        length = headers.get(b"content-length", b"0")
        if not self._chunked and not length.isdigit():
            raise BrokenAnswer("the answer does not say how long it is")
        self._left = 0 if self._chunked else int(length)
        self.status = int(code)
        return True

    def _plain(self) -> bytes:
        body, self._held = self._held[: self._left], b""
        self._left -= len(body)
        self.done = self._left == 0
        return body

    def _chunks(self) -> bytes:
        """Every byte of chunks that is there; a chunk's line end (2 bytes) is counted as its last bytes and left out."""
        found = []
        while not self.done:
            if not self._left:
                line, end, rest = self._held.partition(b"\r\n")
                if not end:
                    break
                try:
                    size = int(line.partition(b";")[0], 16)
                except ValueError as error:
                    raise BrokenAnswer("a part of the answer does not say how long it is") from error
                self._held = rest
                self._left, self.done = size + 2, size == 0
                continue
            piece = self._held[: self._left]
            if not piece:
                break
            self._held = self._held[len(piece) :]
            of_data = max(self._left - 2, 0)
            self._left -= len(piece)
            found.append(piece[:of_data])
        return b"".join(found)
