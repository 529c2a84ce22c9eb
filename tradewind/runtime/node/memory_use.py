"""How much of a node's memory is in use, as the kernel sees it: of the machine, or of the control group that confines us when that is nearer its end."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tradewind.runtime.node.control_groups import Hierarchy, own_hierarchy

# Version 1 says "no limit" by a number near 2**63.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes in use of those that there are."""

    used: int
    total: int

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return self.used / self.total if self.total else 0.0


def machine_use(meminfo: str) -> Use:
    """From the text of /proc/meminfo; what the kernel can take back at once does not count."""
    figures = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in meminfo.splitlines() if ":" in line}
    total = figures.get("MemTotal", 0)
    return Use(total - figures.get("MemAvailable", total), total)


def group_use(limit: str, used: str, stat: str) -> Use | None:
    """From the texts of a control group's files; None for one without a limit. Inactive file pages can be taken back at once."""
    if not limit.strip().isdigit() or int(limit) >= _NO_LIMIT:
        return None
    figures = dict(line.split() for line in stat.splitlines())
    idle = int(figures.get("total_inactive_file", figures.get("inactive_file", 0)))
    return Use(max(0, int(used) - idle), int(limit))


def memory_use() -> Use:
    """This node's, whichever is nearer its end: the machine, or a control group that we are in."""
    uses = [machine_use(_read("/proc/meminfo"))]
    found = own_hierarchy()
    if found is not None:
        uses += [use for path in _upwards(found) if (use := _use_of(path, found.version)) is not None]
    return max(uses, key=lambda use: use.fraction)


def memory_limit() -> int:
    """Bytes that this process and its children can ever have: the machine's, or the smallest limit of the control groups that we are in."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = own_hierarchy()
    if found is not None:
        for path in _upwards(found):
            text = _read(os.path.join(path, found.limit_file)).strip()
            if text.isdigit():
                total = min(total, int(text))
    return total


def _upwards(found: Hierarchy) -> list[str]:
    """The directories of our group and of those around it."""
    path = found.path()
    out = [path]
    while path != found.root and path.startswith(found.root + "/"):
        path = os.path.dirname(path)
        out.append(path)
    return out


def _use_of(path: str, version: int) -> Use | None:
    names = ("limit_in_bytes", "usage_in_bytes") if version == 1 else ("max", "current")
    limit, used = (_read(f"{path}/memory.{name}") for name in names)
    return group_use(limit, used, _read(f"{path}/memory.stat")) if limit and used else None


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
