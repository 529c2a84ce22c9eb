"""The catalog itself on an event loop: `await tw.aio.catalog.info()`."""

from __future__ import annotations

from tradewind.catalog import upkeep
from tradewind.sdk.aio.threads import threaded

info = threaded(upkeep.info)
doctor = threaded(upkeep.doctor)
import_offers = threaded(upkeep.import_offers)
remove_offers = threaded(upkeep.remove_offers)
keep = threaded(upkeep.keep)
diff = threaded(upkeep.diff)

__all__ = ["diff", "doctor", "import_offers", "info", "keep", "remove_offers"]
