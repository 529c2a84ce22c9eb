"""The head as a process of its own: one gRPC stream a node, the control store's decisions, SQLite."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import msgspec

from tradewind.runtime import grpc_settings, wire
from tradewind.runtime.credentials import ClusterCredentials, MemberCertificate
from tradewind.runtime.credentials_wire import CredentialBytes
from tradewind.runtime.head.control_store import ControlStore
from tradewind.runtime.head.local import apply
from tradewind.runtime.head.store import RecordStore
from tradewind.runtime.messages import cluster, control


class HeadConfig(msgspec.Struct, frozen=True):
    """Everything the head is told at its start. Descriptors are inherited."""

    directory: str
    host: str
    credentials: CredentialBytes
    ready_fd: int
    parent_pidfd: int = -1


# Nodes of a head that was restarted have this long to say which actors live on them.
_REJOIN_S = 10.0
# Changes of what nodes have free reach the others after this long, and after so much more for each node.
_VIEW_S = 0.01
_VIEW_S_PER_NODE = 0.001


class HeadServer:
    """Streams of nodes into the control store, and its messages out."""

    def __init__(self, records: RecordStore, token: bytes) -> None:
        self._records = records
        self._token = token
        self._outboxes: dict[str, asyncio.Queue[cluster.FromHead | None]] = {}
        self._heard: dict[str, float] = {}
        self._store = ControlStore(self._send, records.save, publishes_itself=False)
        self._encoded: tuple[cluster.View | None, bytes] = (None, b"")
        kinds = ("actor", "value", "group", "place", "node")
        self._store.remember(*(records.load(kind) for kind in kinds))

    def _send(self, node: str, message: cluster.FromHead) -> None:
        outbox = self._outboxes.get(node)
        if outbox is not None:
            outbox.put_nowait(message)

    async def join(self, requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        """Serves one node until its stream ends."""
        reader: wire.FrameReader[Any] = wire.FrameReader(cluster.ToHead)
        first, *rest = reader.feed(await anext(requests))
        error = self._refusal(first)
        yield bytes(wire.encode((cluster.Joined(error),)))
        if error:
            return
        node = first.view.node
        outbox: asyncio.Queue[cluster.FromHead | None] = asyncio.Queue()
        old = self._outboxes.pop(node, None)
        if old is not None:
            old.put_nowait(None)
            self._store.lose(node, "it joined again")
        self._outboxes[node] = outbox
        self._heard[node] = time.monotonic()
        apply(self._store, node, first)
        for message in rest:
            apply(self._store, node, message)
        self._records.commit()
        receiving = asyncio.create_task(self._receive(node, requests, reader, outbox))
        try:
            while True:
                batch = [await outbox.get()]
                while not outbox.empty() and len(batch) < 256:
                    batch.append(outbox.get_nowait())
                ready = [message for message in batch if message is not None]
                if ready:
                    for part in _by_view(_latest_view_only(ready)):
                        yield self._frame(part)
                if len(ready) < len(batch):
                    return
        finally:
            receiving.cancel()
            self._leave(node, outbox, "its connection to the head ended")

    def _leave(self, node: str, outbox: asyncio.Queue[cluster.FromHead | None], reason: str) -> None:
        if self._outboxes.get(node) is outbox:
            del self._outboxes[node]
            self._heard.pop(node, None)
            # Should it live and only have been cut off, this tells it to end what others now do in its place.
            outbox.put_nowait(cluster.LostNode(node, reason))
            outbox.put_nowait(None)
            self._store.lose(node, reason)
            self._records.commit()

    def _refusal(self, first: Any) -> str:
        if not isinstance(first, cluster.Join) or not hmac.compare_digest(first.token, self._token):
            return "the head does not know this token"
        if first.protocol != control.PROTOCOL:
            return f"the head speaks protocol {control.PROTOCOL} and this node {first.protocol}; install the same version of tradewind on both"
        return ""

    async def publish(self) -> None:
        """Nodes hear what has changed about the others, the less often the more there are: all of them hear of all."""
        while True:
            await asyncio.sleep(max(_VIEW_S, _VIEW_S_PER_NODE * len(self._outboxes)))
            self._store.publish()

    def _frame(self, messages: list[cluster.FromHead]) -> bytes:
        """The messages as bytes; a view, which goes to every node, is encoded once."""
        if len(messages) == 1 and isinstance(messages[0], cluster.View):
            if self._encoded[0] is not messages[0]:
                self._encoded = (messages[0], bytes(wire.encode(messages)))
            return self._encoded[1]
        return bytes(wire.encode(messages))

    async def watch(self) -> None:
        """Nodes that have been silent for too long are lost. A lag of the head's own is not held against them."""
        before = began = time.monotonic()
        while True:
            await asyncio.sleep(grpc_settings.BEAT_S)
            now = time.monotonic()
            if now - began > _REJOIN_S:
                self._store.give_up_unseen()
                self._records.commit()
            late = now - before - grpc_settings.BEAT_S
            before = now
            if late > grpc_settings.BEAT_S:
                self._heard = {node: heard + late for node, heard in self._heard.items()}
            for node, heard in list(self._heard.items()):
                if now - heard > grpc_settings.LOST_AFTER_S and node in self._outboxes:
                    self._leave(node, self._outboxes[node], f"it was silent for {grpc_settings.LOST_AFTER_S:g} s")

    async def _receive(
        self,
        node: str,
        requests: AsyncIterator[bytes],
        reader: wire.FrameReader[Any],
        outbox: asyncio.Queue[cluster.FromHead | None],
    ) -> None:
        reason = "its connection to the head ended"
        try:
            async for data in requests:
                self._heard[node] = time.monotonic()
                for message in reader.feed(data):
                    if isinstance(message, cluster.Leave):
                        reason = message.reason
                    else:
                        apply(self._store, node, message)
                self._records.commit()
        finally:
            self._leave(node, outbox, reason)
            outbox.put_nowait(None)


def _latest_view_only(messages: list[cluster.FromHead]) -> list[cluster.FromHead]:
    """Of several views in a row only the last matters."""
    last = max((index for index, message in enumerate(messages) if isinstance(message, cluster.View)), default=-1)
    return [message for index, message in enumerate(messages) if index == last or not isinstance(message, cluster.View)]


def _by_view(messages: list[cluster.FromHead]) -> list[list[cluster.FromHead]]:
    """The messages in their order, a view in a part of its own."""
    at = next((index for index, message in enumerate(messages) if isinstance(message, cluster.View)), -1)
    parts = [messages] if at < 0 else [messages[:at], [messages[at]], messages[at + 1 :]]
    return [part for part in parts if part]


async def serve(config: HeadConfig) -> None:
    """Serves until SIGTERM or, when asked, the end of the starting process."""
    credentials = config.credentials.restore()
    records = RecordStore(os.path.join(config.directory, "head.sqlite"))
    head = HeadServer(records, credentials.token)
    server = _server(head)
    port = _bind(server, credentials, config)
    await server.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    if config.parent_pidfd >= 0:
        loop.add_reader(config.parent_pidfd, ended.set)
    os.write(config.ready_fd, f"ok {config.host}:{port}".encode())
    os.close(config.ready_fd)
    tasks = [asyncio.create_task(head.watch()), asyncio.create_task(head.publish())]
    await ended.wait()
    for task in tasks:
        task.cancel()
    await server.stop(0)
    records.close()


def _server(head: HeadServer) -> grpc.aio.Server:
    server = grpc.aio.server(options=list(grpc_settings.OPTIONS))
    handler = grpc.stream_stream_rpc_method_handler(
        head.join, request_deserializer=grpc_settings.identity, response_serializer=grpc_settings.identity
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(grpc_settings.SERVICE, {grpc_settings.METHOD: handler}),)
    )
    return server


def _bind(server: grpc.aio.Server, credentials: ClusterCredentials, config: HeadConfig) -> int:
    """The port, the one of the last time when it is free: nodes of a head that died look for it there."""
    member = MemberCertificate.issue(credentials)
    secure = grpc.ssl_server_credentials(
        [(member.key, member.certificate)], credentials.ca_certificate, require_client_auth=True
    )
    path = os.path.join(config.directory, "port")
    last = 0
    try:
        with open(path) as file:
            last = int(file.read())
    except (OSError, ValueError):
        pass
    try:
        port: int = server.add_secure_port(f"{config.host}:{last}", secure)
    except RuntimeError:
        port = server.add_secure_port(f"{config.host}:0", secure)
    with open(path, "w") as file:
        file.write(str(port))
    return port


def main() -> None:
    """Reads the configuration and serves."""
    config = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=HeadConfig)
    for descriptor in (config.ready_fd, config.parent_pidfd):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    try:
        asyncio.run(serve(config))
    except (OSError, RuntimeError) as error:
        print(f"The head could not serve on {config.host}: {error}", file=sys.stderr, flush=True)
        # gRPC's threads would keep a process alive that has nothing to do.
        os._exit(1)
