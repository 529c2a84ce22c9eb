"""Values that the cluster remembers by name; those of a job go with it. Pure: what is to be kept goes to `save`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tradewind.runtime.messages import cluster

# What belongs to a job: "job/<driver>/...", where the name of a driver is itself of two parts.
_OF_JOB = "job/"


def _job_of(key: str) -> str:
    return "/".join(key.split("/")[1:3])


class NamedValues:
    """The values, and which of them are whose."""

    def __init__(self, save: Callable[[str, str, bytes | None], None]) -> None:
        self._save = save
        self._values: dict[str, bytes] = {}
        self._of_jobs: dict[str, set[str]] = {}
        self._ended: set[str] = set()

    def remember(self, values: Mapping[str, bytes]) -> None:
        """What an earlier life of the head wrote down."""
        for key, value in values.items():
            self._put(key, value)

    def _put(self, key: str, value: bytes) -> None:
        self._values[key] = value
        if key.startswith(_OF_JOB):
            self._of_jobs.setdefault(_job_of(key), set()).add(key)

    def carry_out(self, body: cluster.KeyValue) -> dict[str, bytes]:
        """The answer to the question, which may change a value."""
        if body.operation == "put":
            self._put(body.key, body.value)
            self._save("value", body.key, body.value)
        elif body.operation == "delete":
            self._values.pop(body.key, None)
            self._save("value", body.key, None)
        elif body.operation == "keys":
            return {key: b"" for key in self._values if key.startswith(body.key)}
        return {body.key: self._values[body.key]} if body.key in self._values else {}

    def jobs(self) -> set[str]:
        """The jobs that have values."""
        return set(self._of_jobs)

    def end(self, job: str) -> bool:
        """The job has ended; True when it has values."""
        if job not in self._of_jobs:
            return False
        self._ended.add(job)
        return True

    def forget(self, job: str) -> None:
        """The values of a job that has ended go; those of one that runs stay."""
        if job in self._ended:
            self._ended.discard(job)
            for key in self._of_jobs.pop(job, ()):
                self._values.pop(key, None)
                self._save("value", key, None)
