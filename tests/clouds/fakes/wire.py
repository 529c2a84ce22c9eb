"""An HTTP/1.1 server for fakes: one thread a connection, answers in one packet, all of it gone after close."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import ssl
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object  # parsed JSON, bytes of anything else, None when there was none


@dataclass
class Answer:
    """`body` None sends no body, bytes are sent as they are, anything else as JSON. `drop` closes the connection without a word."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


Handler = Callable[[Request], Answer]


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None, address: tuple[str, int]) -> None:
        super().__init__(address, _Connection)
        self.answer = handler
        self.tls = tls
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.ahead_s = 0.0

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self.lock:
            self.open.add(connection)
        return connection, address

    def shutdown_request(self, request) -> None:
        with self.lock:
            self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no event; what goes wrong in a handler is answered as a 500 that names it."""


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # header and body leave together: two packets cost 40 ms (Nagle and delayed ACK)

    def log_message(self, *args) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.server.ahead_s if timestamp is None else timestamp)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        if len(raw) < length:  # whoever asked died in the middle of the sentence
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            _body(raw, self.headers.get("Content-Type", "")),
        )
        try:
            answer = self.server.answer(request)
        except Exception:  # noqa: BLE001  a mistake in a fake must be seen by the test, not hang its client
            answer = Answer(500, {"error": {"code": "FakeBroke", "message": traceback.format_exc()}})
        if answer.drop:
            self.close_connection = True
            return
        payload = _payload(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if payload and "Content-Type" not in answer.headers:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve


def _payload(body: object) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return json.dumps(body).encode()


def _body(raw: bytes, kind: str) -> object:
    if not raw:
        return None
    return raw if "form-urlencoded" in kind else json.loads(raw)


class Wire:
    """The running server. `url` is where it answers."""

    def __init__(
        self, handler: Handler, *, tls: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self._server = _Server(handler, tls, address)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-wire"
        )
        self._thread.start()

    def set_clock(self, ahead_s: float) -> None:
        """It answers as one whose clock is ahead of this machine's."""
        self._server.ahead_s = ahead_s

    def now(self) -> float:
        """What time it is there."""
        return time.time() + self._server.ahead_s

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        with self._server.lock:
            connections = list(self._server.open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
