"""The node's membership: one gRPC stream to the head, held by threads of its own and feeding the loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc

from tradewind.runtime import grpc_settings, wire
from tradewind.runtime.credentials import ClusterCredentials, MemberCertificate, tls_contexts
from tradewind.runtime.messages import cluster, control
from tradewind.runtime.node.neighbours import TlsNeighbours

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

_RETRY_S = 0.5
_END: Any = None


class RemoteHead:
    """Sends to the head in order; tries again when the head goes away, and joins anew."""

    def __init__(
        self,
        daemon: NodeDaemon,
        credentials: ClusterCredentials,
        member: MemberCertificate,
        address: str,
        ready_fd: int,
    ) -> None:
        self._daemon = daemon
        self._token = credentials.token
        self._ready_fd = ready_fd
        self._closing = False
        self._joined = False
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        secure = grpc.ssl_channel_credentials(credentials.ca_certificate, member.key, member.certificate)
        options = [*grpc_settings.OPTIONS, ("grpc.ssl_target_name_override", credentials.server_name)]
        self._channel = grpc.secure_channel(address, secure, options)
        self._join = self._channel.stream_stream(
            grpc_settings.PATH, request_serializer=grpc_settings.identity, response_deserializer=grpc_settings.identity
        )
        self._thread = threading.Thread(target=self._run, name="tradewind-head", daemon=True)
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="tradewind-beat", daemon=True)

    def start(self) -> None:
        """The node is joining; the loop hears Joined."""
        self._thread.start()
        self._beating.start()

    def _beat(self) -> None:
        """Says that this node lives, whatever its loop is busy with."""
        while not self._ended.wait(grpc_settings.BEAT_S):
            self._outbox.put(cluster.Beat())

    def send(self, message: cluster.ToHead) -> None:
        """The message follows those sent before it; while the head is away it waits."""
        self._outbox.put(message)

    def _requests(self, outbox: queue.SimpleQueue[Any]) -> Iterator[bytes]:
        joining = self._joining()
        if joining is None:
            return
        yield bytes(wire.encode((joining,)))
        while True:
            message = outbox.get()
            if message is _END:
                return
            batch = [message]
            while len(batch) < 64:
                try:
                    message = outbox.get_nowait()
                except queue.Empty:
                    break
                if message is _END:
                    yield bytes(wire.encode(batch))
                    return
                batch.append(message)
            yield bytes(wire.encode(batch))

    def _joining(self) -> cluster.Join | None:
        """What the loop says of this node; None when there is no joining any more. For gRPC's thread, which must not look itself."""
        answer: queue.SimpleQueue[cluster.Join] = queue.SimpleQueue()
        self._daemon.loop.from_thread(lambda: answer.put(self._daemon.joining(self._token, again=self._joined)))
        while not self._closing:
            try:
                return answer.get(timeout=_RETRY_S)
            except queue.Empty:
                continue
        return None

    def _run(self) -> None:
        daemon = self._daemon
        pause = threading.Event()
        while not self._closing:
            reader: wire.FrameReader[Any] = wire.FrameReader(cluster.FromHead)
            try:
                for data in self._join(self._requests(self._outbox), wait_for_ready=True):
                    for message in reader.feed(data):
                        daemon.loop.from_thread(lambda it=message: self._deliver(it))  # type: ignore[misc]
            except grpc.RpcError:
                pass  # the head is away, or this is the end; both are handled below
            if not self._closing:
                # The old stream's request iterator still waits on the queue: it must not take what the next one is to send.
                old, self._outbox = self._outbox, queue.SimpleQueue()
                old.put(_END)
                pause.wait(_RETRY_S)

    def _deliver(self, message: cluster.FromHead) -> None:
        if isinstance(message, cluster.Joined):
            self._say_ready(message.error)
            if self._joined and not message.error:
                self._daemon.ask_again()
            self._joined = self._joined or not message.error
        self._daemon.on_head(message)

    def _say_ready(self, error: str) -> None:
        import os

        if self._ready_fd >= 0:
            os.write(self._ready_fd, (error or "ok").encode())
            os.close(self._ready_fd)
            self._ready_fd = -1

    def close(self) -> None:
        """What was sent is with the head, and the stream is closed."""
        self._closing = True
        self._ended.set()
        self._outbox.put(_END)
        self._thread.join(0.5)
        self._channel.close()


def join_cluster(daemon: NodeDaemon, credentials: ClusterCredentials, head_address: str, ready_fd: int) -> None:
    """The node listens for its neighbours and is joining the head."""
    member = MemberCertificate.issue(credentials)
    process = MemberCertificate.issue(credentials, credentials.process_name)
    keys = control.LinkKeys(credentials.process_name, credentials.ca_certificate, process.certificate, process.key)
    contexts = tls_contexts(credentials, member)
    neighbours = TlsNeighbours(daemon, contexts, credentials.token, daemon.settings.host, keys)
    daemon.neighbours = neighbours
    daemon.settings.address = neighbours.address
    head = RemoteHead(daemon, credentials, member, head_address, ready_fd)
    daemon.head = head
    head.start()
