"""The amounts a person writes - "4+", "16GB", "4x", "A100:8" - as typed values. Pure; SkyPilot's meaning."""

from __future__ import annotations

import re

from tradewind.spec.task import AcceleratorRequest, Quantity

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_CPUS = re.compile(rf"({_NUMBER})\s*(\+?)", re.IGNORECASE)
_MEMORY = re.compile(rf"({_NUMBER})\s*(b|[kmgtp]i?b?)?\s*([+x]?)", re.IGNORECASE)
_ACCELERATOR = re.compile(r"[A-Za-z][A-Za-z0-9._-]*(?: [A-Za-z0-9._-]+)*")
_BY_MEMORY = re.compile(rf"(?:[A-Za-z]+:)?{_NUMBER}\s*[mgt]i?b\+?(?::.*)?", re.IGNORECASE)

# "GB" means GiB, as SkyPilot reads it and as the clouds' own type tables do.
_GIB_PER_UNIT = {"b": 2.0**-30, "k": 2.0**-20, "m": 2.0**-10, "g": 1.0, "t": 2.0**10, "p": 2.0**20}
_LARGEST = 1e9  # far beyond any machine; keeps a typo from becoming an infinity


def parse_cpus(text: str) -> Quantity:
    """vCPUs: "4" is exactly four, "4+" at least. Raises ValueError with the sentence to show."""
    match = _CPUS.fullmatch(text.strip())
    if match is None:
        if re.fullmatch(rf"{_NUMBER}\s*-\s*{_NUMBER}", text.strip()):
            raise ValueError("ranges are not known; write the least that will do, such as 4+")
        raise ValueError(f"{_shown(text)} is no number of vCPUs; write 4 or 4+")
    return Quantity(_positive(match[1], text), at_least=bool(match[2]))


def parse_memory(text: str) -> Quantity:
    """GiB: "16", "16GB" exactly, "16+", "1TB+" at least, "4x" at least 4 for each vCPU. Raises ValueError with the sentence to show."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{_shown(text)} is no amount of memory; write 16, 16+, 16GB, 1TB+ or 4x (GiB per vCPU)")
    number, unit, suffix = match[1], match[2], match[3].lower()
    value = _positive(number, text)
    if suffix == "x":
        if unit:
            raise ValueError(f"{_shown(text)} mixes a unit with x; write 4x for 4 GiB per vCPU")
        return Quantity(value, at_least=True, per_vcpu=True)
    return Quantity(
        _positive(repr(value * _GIB_PER_UNIT[unit[0].lower() if unit else "g"]), text), at_least=suffix == "+"
    )


def parse_accelerator(text: str) -> AcceleratorRequest:
    """Accelerators: "A100" is one, "A100:8" eight, "T4:0.5" half of one. Raises ValueError with the sentence to show."""
    typed = text.strip()
    if _BY_MEMORY.fullmatch(typed):
        raise ValueError("asking for an accelerator by its memory is not there yet; name one, such as A100-80GB")
    name, colon, count = typed.partition(":")
    if not _ACCELERATOR.fullmatch(name) or ":" in count or (colon and not count):
        raise ValueError(f"{_shown(text)} is no accelerator; write a name and a count, such as A100:8")
    return AcceleratorRequest(name, parse_count(count) if colon else 1)


def parse_count(text: str) -> float:
    """The number of accelerators; whole, or a fraction of one device. Raises ValueError with the sentence to show."""
    if not re.fullmatch(_NUMBER, text.strip(), re.IGNORECASE):
        raise ValueError(f"{_shown(text)} is no count of accelerators; write a whole number, or a fraction below 1")
    count = _positive(text, text)
    if count > 1 and not count.is_integer():
        raise ValueError(f"{_shown(text)} accelerators cannot be had; only one device can be shared (0.5)")
    return count


def _positive(number: str, text: str) -> float:
    value = float(number)
    if not 0 < value <= _LARGEST:
        raise ValueError(f"{_shown(text)} is out of range; it must be above 0")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
