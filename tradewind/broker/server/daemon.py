"""The daemon's process: takes the data directory, serves its socket, goes when it is told to or when nothing is left to do."""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tradewind import __version__
from tradewind.broker.clouds.local import entry as local
from tradewind.broker.clouds.registry import Clouds
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.quotas import QuotaDesk
from tradewind.broker.plain_server import PlainServer
from tradewind.broker.provision.boundary import Boundary, crash_at, no_boundary, slow_at
from tradewind.broker.provision.services import log
from tradewind.broker.server import collector
from tradewind.broker.server.app import Api, make_app
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.client import EXIT_BUSY, FAILED
from tradewind.broker.server.idleness import Idleness
from tradewind.broker.server.socket_path import SocketDirectoryError, data_directory, socket_path
from tradewind.broker.store.database import Store
from tradewind.broker.store.errors import DataDirectoryBusy, StaleWriter, StoreError
from tradewind.broker.store.meter import meter

DEFAULT_IDLE_EXIT_S = 600.0
DEFAULT_GANG_HOLD_S = 60.0
_CREDENTIALS = struct.Struct("3i")


class _PeerChecked(H11Protocol):
    """Serves peers of our own user (and root) only: the socket's mode says so already, this says it again for each connection."""

    def connection_made(self, transport: Any) -> None:
        connection = transport.get_extra_info("socket")
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(raw)[1] not in {os.getuid(), 0}:
            transport.abort()
            return
        super().connection_made(transport)


def listen(path: str) -> socket.socket:
    """A listening socket with mode 0600. Whoever holds the data directory's lock owns the path, so a stale one is removed."""
    if os.path.exists(path):
        os.unlink(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        listening.bind(path)
    finally:
        os.umask(old)
    return listening


class Daemon:
    """One daemon's life, inside a running loop."""

    def __init__(
        self,
        store: Store,
        *,
        idle_exit_s: float,
        gang_hold_s: float = DEFAULT_GANG_HOLD_S,
        boundary: Boundary = no_boundary,
    ) -> None:
        self._store = store
        self._gang_hold_s = gang_hold_s
        self._idle_exit_s = idle_exit_s
        self._boundary = boundary
        self._started_unix = time.time()
        self._leave_when_idle = False
        self._server: uvicorn.Server | None = None

    async def run(self, listening: socket.socket) -> None:
        """Serve until the end."""
        directory = self._store.data_dir
        providers = Clouds(directory, {"local": local.make(directory)}, guard=self._store.check)
        planner = CatalogPlanner(
            providers.reasons,
            providers.own_machines,
            functools.partial(local.offers_here, directory),
            data_dir=directory,
            quotas=QuotaDesk(providers),
        )
        broker = Broker(
            self._store,
            providers,
            planner,
            meter=meter(self._store),
            boundary=self._boundary,
            gang_hold_s=self._gang_hold_s,
        )
        api = Api(broker, self.shutdown, self._started_unix)
        config = uvicorn.Config(
            make_app(api),
            http=_PeerChecked,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = PlainServer(config)
        await broker.start()
        collector.calm()
        idle = asyncio.gather(self._go_when_idle(broker), Idleness(broker).watch(), collector.now_and_then())
        log.info(
            "daemon %s serves %s, pid %d, token %d", __version__, self._store.data_dir, os.getpid(), self._store.token
        )
        try:
            await self._server.serve(sockets=[listening])
        finally:
            idle.cancel()
            await asyncio.gather(idle, return_exceptions=True)
            await broker.stop()
            await asyncio.to_thread(providers.close)

    def shutdown(self, when: str) -> None:
        """Leave "now", or once "idle"."""
        if when == "idle":
            self._leave_when_idle = True
        elif self._server is not None:
            self._server.should_exit = True

    async def _go_when_idle(self, broker: Broker) -> None:
        idle_since = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self._idle_exit_s / 4))
            self._store.check()
            if (
                broker.observer.is_serving()
                or not broker.is_idle()
                or (self._server is not None and self._server.server_state.connections)
            ):
                idle_since = time.monotonic()
            elif self._leave_when_idle or time.monotonic() - idle_since >= self._idle_exit_s:
                log.info("nothing is alive: leaving")
                self.shutdown("now")
                return


def _configure_log(path: str) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(name)s %(message)s"))
    os.chmod(path, 0o600)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.raiseExceptions = (
        False  # a full disk takes no line, and whoever started us would be shown a traceback for each
    )
    for chatty in ("uvicorn", "asyncssh", "azure", "urllib3", "botocore", "google"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def main(argv: list[str] | None = None) -> int:
    """Run a daemon: 0 after its end, 75 when another one serves the data directory, 1 when it cannot be served."""
    parser = argparse.ArgumentParser(prog="tradewind.broker.server", description="The daemon of one data directory.")
    parser.add_argument("--data-dir", default=data_directory(), help="the data directory (TRADEWIND_DATA_DIR)")
    parser.add_argument(
        "--idle-exit-s",
        type=float,
        default=float(os.environ.get("TRADEWIND_IDLE_EXIT_S") or DEFAULT_IDLE_EXIT_S),
        help="leave after this many seconds with nothing alive (TRADEWIND_IDLE_EXIT_S)",
    )
    parser.add_argument(
        "--gang-hold-s",
        type=float,
        default=float(os.environ.get("TRADEWIND_GANG_HOLD_S") or DEFAULT_GANG_HOLD_S),
        help="how long a part of a gang is kept while the rest is tried in its zone (TRADEWIND_GANG_HOLD_S)",
    )
    options = parser.parse_args(argv)
    crash, slow = os.environ.get("TRADEWIND_CRASH_AT"), os.environ.get("TRADEWIND_SLOW_AT")
    try:
        boundary = crash_at(crash) if crash else slow_at(slow) if slow else no_boundary
        store = Store(options.data_dir)
    except DataDirectoryBusy as error:
        return _give_up(str(error), EXIT_BUSY)
    except (StoreError, ValueError) as error:
        return _give_up(str(error))
    except Exception as error:  # whatever it is, whoever started it is told in a sentence
        logging.getLogger("tradewind").exception("the record cannot be opened")
        return _give_up(f"{type(error).__name__}: {error}")
    try:
        _configure_log(os.path.join(store.data_dir, "daemon.log"))
        store.on_superseded = _leave_at_once
        path = socket_path(store.data_dir)
        listening = listen(path)
    except (OSError, SocketDirectoryError) as error:
        store.close()
        return _give_up(f"the daemon cannot listen: {error}")
    try:
        daemon = Daemon(store, idle_exit_s=options.idle_exit_s, gang_hold_s=options.gang_hold_s, boundary=boundary)
        asyncio.run(_with_signals(daemon, listening))
    except Exception as error:
        log.exception("the daemon ends")
        return _give_up(f"{type(error).__name__}: {getattr(error, 'orig', error)}")
    finally:
        _unlink(path)
        listening.close()
        store.close()
    return 0


def _give_up(why: str, code: int = 1) -> int:
    """The exit code, after the one line that tells whoever started the daemon."""
    print(f"{FAILED}{' '.join(why.split())}", file=sys.stderr)
    return code


async def _with_signals(daemon: Daemon, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    leave: Callable[[], None] = lambda: daemon.shutdown("now")  # noqa: E731  one line for two signals
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    await daemon.run(listening)


def _leave_at_once(superseded: StaleWriter) -> None:
    """This process is gone: nothing is written, bought, ended or tidied any more, for all of it belongs to another daemon now."""
    log.error("%s; this one leaves", superseded)
    logging.shutdown()
    os._exit(EXIT_BUSY)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
