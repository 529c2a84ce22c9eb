"""The clock that meters what is paid for: no change of the wall clock moves it, so that none enters a bill.

It shows Unix seconds as the wall clock did when nothing ran, and from then on goes by the kernel's own count, a sleeping laptop's hours included. The next
daemon goes on with it while an instance still runs and the machine has not been booted anew.
"""

from __future__ import annotations

import pathlib
import time
import uuid
from collections.abc import Callable

from sqlalchemy import Connection, select, text

from tradewind.broker.store import rows, schema
from tradewind.broker.store.database import Store

Clock = Callable[[], float]
_BOOT, _OFFSET_MS = "meter_boot", "meter_offset_ms"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def kernel_count() -> float:
    """Seconds since some moment of this boot, those included in which the machine slept, where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def this_boot() -> int:
    """A number that is another after each boot; 0 where the system does not tell."""
    try:
        return uuid.UUID(pathlib.Path(_BOOT_ID).read_text().strip()).int >> 66
    except (OSError, ValueError):
        return 0


def meter(store: Store, *, wall: Clock = time.time, count: Clock = kernel_count, boot: int | None = None) -> Clock:
    """The record's meter. Its daemon alone calls this, once."""
    booted = this_boot() if boot is None else boot

    def set_up(connection: Connection) -> int:
        known = {
            str(row.key): int(row.value) for row in connection.execute(select(schema.meta.c.key, schema.meta.c.value))
        }
        if booted and known.get(_BOOT) == booted and rows.any_live_instance(connection):
            return known[_OFFSET_MS]
        offset_ms = round((wall() - count()) * 1000)
        for key, value in ((_BOOT, booted), (_OFFSET_MS, offset_ms)):
            connection.execute(
                text("INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO UPDATE SET value = :v"),
                {"k": key, "v": value},
            )
        return offset_ms

    offset_ms = store.write(set_up)
    return lambda: count() + offset_ms / 1000
