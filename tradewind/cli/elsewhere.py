"""A daemon that was started from another environment than the command: without a library, or a login, that stand here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api


def only_here(api: Api) -> str:
    """A sentence on the clouds that can be used from this shell and not by the daemon, and what to do; "" when there are none."""
    from tradewind.broker.clouds.registry import why_not
    from tradewind.cli.daemon import data_dir

    theirs = {name: why for name, why in api.get("/v1/clouds").items() if why} if api.up else {}
    lost = {name: why for name, why in theirs.items() if not why_not(name, data_dir())}
    if not lost:
        return ""
    told = "; ".join(f"{name}: {why}" for name, why in lost.items())
    return (
        f"The daemon was started from another environment than this shell, and cannot use what can be used here ({told}). "
        "`tradewind api stop`, and the next command starts one from here."
    )
