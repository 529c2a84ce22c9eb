"""Facts without a machine: plans made, instances launched, lost and ended. One row each, in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tradewind.broker.store import rows
from tradewind.broker.store.records import InstanceRow
from tradewind.broker.store.spend import ENDED, LAUNCHED
from tradewind.optimizer.plan import RankedCandidate


def place_of(candidate: RankedCandidate) -> str:
    """`cloud/region/zone type (spot)` as timelines show it."""
    names = "/".join(part for part in (candidate.cloud, candidate.region, candidate.zone) if part)
    return f"{names} {candidate.instance_type}{' (spot)' if candidate.use_spot else ''}"


class Facts:
    """One transaction's hand on the event table, at the Unix second `now`; `metered` is that second by the clock that bills go by (`meter`)."""

    def __init__(self, connection: Connection, now: float, metered: float | None = None) -> None:
        self.connection = connection
        self.now = now
        self.metered = now if metered is None else metered

    def record(
        self,
        subject: str,
        kind: str,
        cause: str,
        data: Mapping[str, Any],
        *,
        cluster_id: int | None = None,
        managed_job_id: int | None = None,
    ) -> None:
        """Add a fact to the event table."""
        rows.insert_event(
            self.connection,
            subject=subject,
            unix=self.now,
            kind=kind,
            cause=cause,
            data=data,
            cluster_id=cluster_id,
            managed_job_id=managed_job_id,
        )

    def record_planned(
        self,
        subject: str,
        choice: RankedCandidate,
        cause: str,
        *,
        cluster_id: int | None = None,
        managed_job_id: int | None = None,
    ) -> None:
        """Add the fact that a plan was made and what it chose."""
        self.record(
            subject,
            "planned",
            cause,
            {"place": place_of(choice), "hourly_usd": choice.hourly_usd},
            cluster_id=cluster_id,
            managed_job_id=managed_job_id,
        )

    # -- instances --------------------------------------------------------------------------------------------------------------------

    def instance_launched(
        self, row: InstanceRow, *, provider_id: str, address: str, cause: str, since_unix: float | None = None
    ) -> None:
        """Record that an intent came true; it costs from now on, or from `since_unix`. Told twice it is recorded once."""
        known = rows.instance(self.connection, row.id)
        if known is None or known.launched_unix is not None:
            return
        since = self.metered if since_unix is None else since_unix
        state = "RUNNING" if known.state == "INTENT" else known.state
        rows.update_instance(
            self.connection, row.id, state=state, provider_id=provider_id, address=address, launched_unix=since
        )
        extra = {"provider_id": provider_id, "address": address, "since_unix": since}
        self._instance_fact(row, LAUNCHED, cause, extra)

    def instance_stopped(self, instance_id: str, *, cause: str) -> None:
        """Record that an instance is stopped: it costs no more than its disk. Told twice it is recorded once."""
        known = rows.instance(self.connection, instance_id)
        if known is not None and known.state == "RUNNING":
            rows.update_instance(self.connection, instance_id, state="STOPPED")
            self._instance_fact(known, ENDED, cause, self._end(known, "stopped"))

    def instance_restarted(self, instance_id: str, *, address: str, cause: str) -> None:
        """Record that a stopped instance runs again, and costs from now on as another life of the same instance."""
        known = rows.instance(self.connection, instance_id)
        if known is not None and known.state == "STOPPED":
            rows.update_instance(self.connection, instance_id, state="RUNNING", address=address)
            extra = {"instance_id": self._life(known, 1), "since_unix": self.metered, "address": address}
            self._instance_fact(known, LAUNCHED, cause, extra)

    def _life(self, row: InstanceRow, more: int = 0) -> str:
        """What spending calls the instance between two stops."""
        subject = f"instance/{row.id}"
        lives = len(rows.events(self.connection, subject=subject, kinds=(LAUNCHED,))) + more
        return row.id if lives <= 1 else f"{row.id} (start {lives})"

    def instance_lost(self, instance_id: str, *, reason: str, cause: str) -> None:
        """Record that an instance ended by itself: it costs no more, and what its provider still lists of it is to be removed."""
        self._instance_over(instance_id, "ENDING", reason, cause)

    def instance_ended(self, row: InstanceRow, *, reason: str, cause: str) -> None:
        """Record that nothing of an instance is left; told twice it is recorded once."""
        self._instance_over(row.id, "ENDED", reason, cause)

    def _instance_over(self, instance_id: str, state: str, reason: str, cause: str) -> None:
        known = rows.instance(self.connection, instance_id)
        if known is None or known.state == "ENDED":
            return
        rows.update_instance(self.connection, instance_id, state=state)
        if known.ended_unix is None:
            rows.update_instance(self.connection, instance_id, ended_unix=self.metered, reason=reason)
            self._instance_fact(known, ENDED, cause, self._end(known, reason))

    def _end(self, row: InstanceRow, reason: str) -> dict[str, Any]:
        return {"instance_id": self._life(row), "reason": reason, "until_unix": self.metered}

    def _instance_fact(self, row: InstanceRow, kind: str, cause: str, extra: Mapping[str, Any]) -> None:
        cluster = rows.cluster(self.connection, row.cluster_id)
        offer = row.offer
        place = "/".join(part for part in (offer.cloud, offer.region, offer.zone) if part)
        market = " (spot)" if row.use_spot else ""
        self.record(
            f"instance/{row.id}",
            kind,
            cause,
            {
                "instance_id": row.id,
                "rank": row.rank,
                "place": f"{place} {offer.instance_type}{market}",
                "price_usd_h": row.price_usd_h,
                **extra,
            },
            cluster_id=row.cluster_id,
            managed_job_id=None if cluster is None else cluster.managed_job_id,
        )
