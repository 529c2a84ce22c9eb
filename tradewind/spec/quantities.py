"""The amounts a person writes - "4+", "16GB", "4x", "A100:8" - as typed values. Pure; SkyPilot's meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tradewind.spec.machine import LocalDisk, LocalDiskKind, PortRange
from tradewind.spec.task import AcceleratorRequest, Quantity

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
# What Python's float() reads, less its infinities; SkyPilot hands sizes to it.
_FLOAT = r"\s*(\+?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+)?)\s*"
_CPUS = re.compile(rf"{_FLOAT}(\+?)", re.ASCII)
_MEMORY = re.compile(rf"{_FLOAT}([kmgtpKMGTP][bBiI])?(x|\+?)", re.ASCII)
_DISK = re.compile(r"([0-9]+)(?:([kmgtp][bi])|([KMGTP][BI])|([KMGTP][bi]))?")  # no kB
_ACCELERATOR = re.compile(r"[A-Za-z][A-Za-z0-9._-]*(?: [A-Za-z0-9._-]+)*")
_BY_MEMORY = re.compile(r"(?:([^:]*):)?([0-9]+[GgMmTt][Bb])(\+?)(?::(.*))?")
_LOCAL_DISK = re.compile(rf"(nvme|ssd)(?::{_FLOAT}(\+*))?|{_FLOAT}(\+*)", re.ASCII)
_NETWORK_SPEED = re.compile(rf"({_NUMBER})\s*(?:\+|gbps|gbit/s)?\s*\+?", re.IGNORECASE)
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_MINUTES = re.compile(r"([0-9]+)([mhdw])?", re.IGNORECASE)
_HOURS = re.compile(rf"({_NUMBER})\s*(d|h|m|min|w)?", re.IGNORECASE)
_MINUTES_PER_UNIT = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}

# "GB" means GiB, as SkyPilot reads it and as the clouds' own type tables do.
_GIB_PER_UNIT = {"b": 2.0**-30, "k": 2.0**-20, "m": 2.0**-10, "g": 1.0, "t": 2.0**10, "p": 2.0**20}
_LARGEST = 1e9  # far beyond any machine; keeps a typo from becoming an infinity


def parse_cpus(text: str) -> Quantity:
    """vCPUs: "4" is exactly four, "4+" at least. Raises ValueError with the sentence to show."""
    match = _CPUS.fullmatch(text)
    if match is None:
        if re.fullmatch(rf"{_NUMBER}\s*-\s*{_NUMBER}", text.strip()):
            raise ValueError("ranges are not known; write the least that will do, such as 4+")
        raise ValueError(f"{_shown(text)} is no number of vCPUs; write 4 or 4+")
    return Quantity(_positive(match[1], text), at_least=bool(match[2]))


def parse_memory(text: str) -> Quantity:
    """GiB: "16", "16GB" exactly, "16+", "1TB+" at least, "4x" at least 4 for each vCPU. Raises ValueError with the sentence to show."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is no amount of memory; write 16, 16+, 16GB, 1TB+ or 4x (GiB per vCPU)")
    number, unit, suffix = match[1], match[2], match[3]
    gib = _positive(repr(_positive(number, text) * _GIB_PER_UNIT[unit[0].lower() if unit else "g"]), text)
    if suffix == "x":
        return Quantity(gib, at_least=True, per_vcpu=True)
    return Quantity(gib, at_least=suffix == "+")


def is_endless(text: str) -> bool:
    """Whether it is an infinity, or no number at all, as floating point writes them: numbers that no machine has."""
    return text.strip().lower().rstrip("+").lstrip("+-") in {"inf", "infinity", "nan"}


class NobodySellsIt(ValueError):  # noqa: N818  a sentence, not a failure
    """What was written can be read, and nothing that is sold is like that."""


def parse_accelerator(text: str) -> AcceleratorRequest:
    """Accelerators: "A100" is one, "A100:8" eight, "T4:0.5" half of one, "80GB+" and "NVIDIA:40GB+:2" any of that memory.

    Raises ValueError with the sentence to show; NobodySellsIt where it could be read.
    """
    by_memory = _BY_MEMORY.fullmatch(text)
    if by_memory:
        size = parse_memory(by_memory[2] + by_memory[3])
        if not size.value.is_integer():
            raise ValueError(f"{_shown(text)} is no whole number of GB")
        counted = by_memory[4]
        if counted is not None and not counted.strip().isdigit():
            raise ValueError(f"{_shown(counted)} is no count of accelerators; write a whole number")
        return AcceleratorRequest(by_memory[1] or "", 1 if counted is None else parse_count(counted), memory=size)
    name, colon, count = text.partition(":")
    if ":" in count or (colon and not count.strip()):
        raise ValueError(f"{_shown(text)} is no accelerator; write a name and a count, such as A100:8")
    number = parse_count(count) if colon else 1
    if re.fullmatch(r"\s*[0-9.]+[GMT]i?B?\s*-\s*[0-9.]+[GMT]i?B?\s*", name, re.IGNORECASE):
        raise NobodySellsIt(
            f"{_shown(name)} is a range, and ranges are not known; write the least that will do, such as 16GB+"
        )
    if not _ACCELERATOR.fullmatch(name.strip()):
        raise NobodySellsIt(f"{_shown(text)} is no accelerator; write a name and a count, such as A100:8")
    return AcceleratorRequest(name.strip(), number)


def parse_count(text: str) -> float:
    """The number of accelerators; whole, or a fraction of one device. Raises ValueError with the sentence to show, NobodySellsIt where it could be read."""
    if is_endless(text):
        raise NobodySellsIt(f"{_shown(text)} is no count of accelerators; write a whole number, or a fraction below 1")
    if not re.fullmatch(_FLOAT, text, re.ASCII):
        raise ValueError(f"{_shown(text)} is no count of accelerators; write a whole number, or a fraction below 1")
    count = _positive(text, text)
    if count > 1 and not count.is_integer():
        raise NobodySellsIt(f"{_shown(text)} accelerators cannot be had; only one device can be shared (0.5)")
    return count


def _positive(number: str, text: str) -> float:
    value = float(number)
    if not 0 < value <= _LARGEST:
        wanted = "above 0" if value <= _LARGEST else f"at most {_LARGEST:,.0f}"
        raise ValueError(f"{_shown(text)} is out of range; it must be {wanted}")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def parse_gigabytes(text: str) -> int:
    """Whole GB of disk: "256", "256GB", "1TB". Raises ValueError with the sentence to show."""
    match = _DISK.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is no size of a disk; write 256 (GB) or 1TB")
    unit = match[2] or match[3] or match[4] or "g"
    size = _positive(match[1], text) * _GIB_PER_UNIT[unit[0].lower()]
    if not size.is_integer() or not 1 <= size <= _LARGEST:
        raise ValueError(f"{_shown(text)} is no whole number of GB above 0")
    return int(size)


def parse_local_disk(text: str) -> LocalDisk:
    """Instance storage: "nvme", "nvme:500+", "ssd:300", "500" (GB). Raises ValueError with the sentence to show."""
    match = _LOCAL_DISK.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{_shown(text)} is no local disk; write nvme, ssd:300 or nvme:500+ (GB)")
    kind: LocalDiskKind | None = None if match[1] is None else "nvme" if match[1] == "nvme" else "ssd"
    size = match[2] or match[4]
    if size is None:
        return LocalDisk(kind)
    return LocalDisk(kind, _positive(size, text), at_least=bool(match[3] or match[5]))


def parse_network_speed(text: str) -> float:
    """Gbit/s, at least: "25", "25+", "25 Gbps". Raises ValueError with the sentence to show."""
    match = _NETWORK_SPEED.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{_shown(text)} is no speed of a network; write 25 or 25+ (Gbit/s, at least)")
    return _positive(match[1], text)


def parse_ports(text: str) -> tuple[PortRange, ...]:
    """Ports as typed: "80", "8000-8010", "80,443". Raises ValueError with the sentence to show."""
    found = []
    for part in text.split(","):
        if not part.strip():
            continue
        match = _PORTS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"{_shown(part.strip())} is no port; write 8080, 8000-8010 or a list, from 1 to 65535")
        found.append(PortRange(first, last))
    return tuple(found)


def merge_ports(ports: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """The same ports in order, ranges that overlap or adjoin made one."""
    merged: list[PortRange] = []
    for each in sorted(ports, key=lambda ports: (ports.first, ports.last)):
        if merged and each.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, each.last))
        else:
            merged.append(each)
    return tuple(merged)


def parse_minutes(text: str) -> int:
    """Minutes: "10", "10m", "2h", "1d", "1w". Raises ValueError with the sentence to show."""
    match = _MINUTES.fullmatch(text)
    if match is None or len(match[1]) > 15:
        raise ValueError(f"{_shown(text)} is no length of time; write minutes, or 2h, 1d or 1w")
    return int(match[1]) * _MINUTES_PER_UNIT[(match[2] or "m").lower()]


def parse_hours(text: str) -> float:
    """Hours: "10", "10h", "90m", "2d". Raises ValueError with the sentence to show."""
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{_shown(text)} is no length of time; write 10h, 90m or 2d")
    return _positive(repr(_positive(match[1], text) * _MINUTES_PER_UNIT[(match[2] or "h")[0].lower()] / 60), text)
