"""Stars over secrets in a stream of output, byte for byte, also where a secret is cut by the end of a chunk. Pure."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST = 4  # starring out shorter ones would star out half of any text


class Redactor:
    """Replaces every occurrence of the secrets in a stream by as many stars. What may be the beginning of one is held back."""

    def __init__(self, values: Iterable[str]) -> None:
        whole = {value.encode() for value in values}
        lines = {line.strip() for value in whole for line in value.splitlines()}  # programs print keys line by line
        self._secrets = sorted((v for v in whole | lines if len(v) >= SHORTEST), key=lambda v: (-len(v), v))
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now."""
        data = self._starred(self._held + data)
        keep = self._open_end(data)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def rest(self) -> bytes:
        """What was held back, once nothing more comes."""
        held, self._held = self._held, b""
        return held

    def text(self, text: str) -> str:
        """A whole text, starred."""
        return self._starred(text.encode(errors="replace")).decode(errors="replace") if self._secrets else text

    def _starred(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, b"*" * len(secret))
        return data

    def _open_end(self, data: bytes) -> int:
        longest = 0
        for secret in self._secrets:
            for length in range(min(len(secret) - 1, len(data)), longest, -1):
                if data.endswith(secret[:length]):
                    longest = length
                    break
        return longest
