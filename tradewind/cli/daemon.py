"""The command line's way to the daemon: connect, and turn whatever goes wrong into one sentence with its exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tradewind.broker.server.client import ApiError, DaemonClient, DaemonUnreachable
from tradewind.cli import exits
from tradewind.cli.errors import CliError
from tradewind.sdk import daemon as server
from tradewind.sdk.daemon import data_dir

__all__ = ["Api", "cluster_resource", "data_dir", "no_cluster", "reach", "running", "stop", "subject", "told"]


@contextmanager
def told() -> Iterator[None]:
    """Turn the client's errors into the command line's.

    Raises:
        CliError: the daemon refused (its sentence, the code of its kind) or does not answer.
    """
    try:
        yield
    except ApiError as error:
        raise CliError(str(error), exits.BY_DAEMON_KIND.get(error.kind, exits.FAILED)) from error
    except DaemonUnreachable as error:
        raise CliError(str(error), exits.UNREACHABLE) from error


class Api:
    """The daemon's resources. Without a daemon (`up` False) every collection is empty: nothing can run without one having been."""

    def __init__(self, client: DaemonClient | None) -> None:
        self._client = client

    def again(self) -> None:
        """Connect anew to the data directory's daemon, started if it is gone.

        Raises:
            CliError: none could be started.
        """
        with told():
            self._client = server.find(start=True)

    @property
    def up(self) -> bool:
        """Whether a daemon answers."""
        return self._client is not None

    def get(self, path: str) -> Any:
        """The resource as plain data."""
        if self._client is None:
            return []
        with told():
            return self._client.get(path)

    def post(self, path: str, body: Any = None) -> Any:
        """The answer to the request, as plain data."""
        assert self._client is not None, "requests are sent to a daemon that is up"
        with told():
            return self._client.post(path, body)

    def stream(self, path: str) -> Iterator[bytes]:
        """The resource's bytes as they come, until it ends."""
        assert self._client is not None, "streams come from a daemon that is up"
        with told():
            yield from self._client.stream(path)


def reach(*, start: bool) -> Api:
    """The daemon of this data directory, started if need be; with `start` False one is started only where there is a record to read.

    Raises:
        CliError: none answers and none could be started.
    """
    with told():
        return Api(server.find(start=start))


def running() -> Api:
    """The daemon of this data directory if one runs; never starts one."""
    return Api(server.running())


def stop(when: str = "now") -> bool:
    """Stop the daemon (with `when` "idle" once nothing is alive): whether one was running.

    Raises:
        CliError: it does not stop.
    """
    with told():
        return server.end(when)


def cluster_resource(name: str) -> str:
    """The cluster's resource; its name is quoted so that no name reaches another one's."""
    from urllib.parse import quote

    return f"/v1/clusters/{quote(name, safe='')}"


def no_cluster(name: str) -> CliError:
    """The refusal of a name that no cluster has."""
    return CliError(f"there is no cluster {name}; `tradewind status` lists them.", exits.FAILED)


def _job(api: Api, quoted: str) -> str:
    return f"job/{api.get(f'/v1/jobs/named/{quoted}')['job_id']}"


def subject(api: Api, name: str) -> str:
    """What events call this cluster (by name) or managed job (by number, or its newest by name).

    Raises:
        CliError: there is neither.
    """
    if any(cluster["name"] == name for cluster in api.get("/v1/clusters?all=1")):
        return f"cluster/{name}"
    from urllib.parse import quote

    try:
        return _job(api, quote(name, safe=""))
    except (CliError, TypeError):
        raise CliError(f"neither a cluster nor a managed job is called {name}.", exits.FAILED) from None
