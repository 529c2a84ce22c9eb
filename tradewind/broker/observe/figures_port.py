"""The figures on a TCP port: over TLS under a certificate of our own, to whoever shows the token. Both lie in the data directory, 0600."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tradewind.broker.observe.figures import CONTENT_TYPE
from tradewind.broker.observe.settings import Metrics
from tradewind.broker.plain_server import PlainServer

CERTIFICATE_DAYS = 3650
_RENEW_DAYS = 30


class Credentials(NamedTuple):
    """Paths of what guards the port: the certificate (to be trusted by who asks), its key, and the token to be shown."""

    certificate: str
    key: str
    token: str


def credentials(data_dir: str, host: str) -> Credentials:
    """What guards the port of this data directory; made where it is missing, or stands for another host, or is nearly over."""
    directory = os.path.join(data_dir, "metrics")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    paths = Credentials(*(os.path.join(directory, name) for name in ("certificate.pem", "key.pem", "token")))
    if not os.path.exists(paths.token):
        _write(paths.token, secrets.token_urlsafe(32).encode() + b"\n")
    if not _fits(paths, host):
        certificate, key = _self_signed(host)
        _write(paths.key, key)
        _write(paths.certificate, certificate)
    return paths


def _fits(paths: Credentials, host: str) -> bool:
    from cryptography import x509

    try:
        with open(paths.certificate, "rb") as file:
            found = x509.load_pem_x509_certificate(file.read())
    except (OSError, ValueError):
        return False
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    left = found.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return _name(host) in list(names) and left > dt.timedelta(days=_RENEW_DAYS) and os.path.exists(paths.key)


def _name(host: str) -> Any:
    from cryptography import x509

    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _self_signed(host: str) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tradewind metrics")])
    now = dt.datetime.now(dt.UTC)
    names = [_name(host), *([] if host == "localhost" else [x509.DNSName("localhost")])]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _write(path: str, content: bytes) -> None:
    partial = f"{path}.partial"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    os.replace(partial, path)


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def guarded(token: str, page: Callable[[], bytes]) -> ASGIApp:
    """Answers GET /metrics with the page to who shows the token (`Authorization: Bearer`), and nothing to anyone else."""
    wanted = f"Bearer {token}".encode()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        shown = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, wanted):
            answer = Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        elif (request.method, request.url.path) != ("GET", "/metrics"):
            answer = Response(status_code=404)
        else:
            answer = Response(await asyncio.to_thread(page), media_type=CONTENT_TYPE)
        await answer(scope, receive, send)

    return app


async def serve(data_dir: str, metrics: Metrics, page: Callable[[], bytes]) -> None:
    """Serve until cancelled. Raises OSError when the port cannot be had."""
    paths = await asyncio.to_thread(credentials, data_dir, metrics.host)
    token = await asyncio.to_thread(_read, paths.token)
    family = socket.AF_INET6 if ":" in metrics.host else socket.AF_INET
    with contextlib.closing(socket.create_server((metrics.host, metrics.port), family=family)) as listening:
        config = uvicorn.Config(
            guarded(token, page),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=paths.certificate,
            ssl_keyfile=paths.key,
            timeout_graceful_shutdown=1,
        )
        server = PlainServer(config)
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.wait([serving])
