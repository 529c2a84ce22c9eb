"""The vendors' stores of objects under their own names, closed to whoever is not logged in: run in a world where the names lead here.

    python -m clouds.fakes.stores SERVER.PEM gcp URI DIRECTORY
    python -m clouds.fakes.stores SERVER.PEM azure URI DIRECTORY AZURITE

Serves the store and what gives out tokens for it, walks through the place at URI as `clouds.buckets` does, and prints what that says.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl

from clouds.fakes.certificate import context_of
from clouds.fakes.entra import HOST, entra
from clouds.fakes.wire import Answer, Request, Wire
from tests.broker.real import until

GOOGLE = ("storage.googleapis.com", "oauth2.googleapis.com")
# The account that every Azurite has; learn.microsoft.com/azure/storage/common/storage-use-azurite, "Well-known storage account and key"
ACCOUNT, KEY = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
AZURE = (f"{ACCOUNT}.blob.core.windows.net", HOST)
TENANT = "00000000-0000-0000-0000-000000000003"
TOKEN, REVOKED = "of-somebody-who-is-logged-in", "revoked"


@contextlib.contextmanager
def google(server: str, *_more: str) -> Iterator[None]:
    """Cloud Storage with the bucket `training`, and Google's tokens for whatever is brought but REVOKED."""
    from gcp_storage_emulator import server as emulator
    from gcp_storage_emulator.handlers import buckets
    from gcp_storage_emulator.storage import Storage

    class Secure(emulator.Request):
        """Names itself by https, where the emulator knows plain HTTP alone."""

        def __init__(self, *args) -> None:
            super().__init__(*args)
            self._base_url, self._full_url = (
                url.replace("http://", "https://", 1) for url in (self._base_url, self._full_url)
            )

    emulator.Request = Secure

    class Guarded(emulator.RequestHandler):
        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                return True
            said = "Anonymous caller does not have storage.objects.list access to the Google Cloud Storage bucket."
            self.send_response(401)
            self.end_headers()
            self.wfile.write(json.dumps({"error": {"code": 401, "message": said}}).encode())
            return False

    def token(request: Request) -> Answer:
        form = dict(parse_qsl(bytes(request.body).decode()))
        if form.get("refresh_token") == REVOKED:
            return Answer(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
        return Answer(body={"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    with open(server, "rb") as file:
        tls = context_of(file.read())
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket("training", storage)
    store = http.server.HTTPServer(("127.0.0.1", 443), functools.partial(Guarded, storage))
    store.socket = tls.wrap_socket(store.socket, server_side=True)
    serving = threading.Thread(target=store.serve_forever)
    serving.start()
    tokens = Wire(token, tls=tls, address=("127.0.0.2", 443))
    try:
        yield
    finally:
        tokens.close()
        store.shutdown()
        serving.join()
        store.server_close()


@contextlib.contextmanager
def azure(server: str, directory: str, azurite: str) -> Iterator[None]:
    """Blob Storage with the container `training`, which looks at tokens for their audience, issuer and times, and Entra ID, which gives them out."""
    from azure.storage.blob import BlobServiceClient

    argv = [
        azurite,
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--oauth",
        "basic",
        "--cert",
        server,
        "--key",
        server,
    ]
    argv += ["--blobHost", "127.0.0.1", "--blobPort", "443", "--location", tempfile.mkdtemp(dir=directory)]

    def token(request: Request) -> Answer:
        given = {"access_token": of_entra(), "expires_in": 3600, "ext_expires_in": 3600, "token_type": "Bearer"}
        return entra(request) or Answer(body=given)

    with open(server, "rb") as file:
        tokens = Wire(token, tls=context_of(file.read()), address=("127.0.0.2", 443))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as running, contextlib.closing(tokens):
        try:
            until("it listens", lambda: listens(443))
            with BlobServiceClient(f"https://{AZURE[0]}", credential=KEY) as client:
                client.create_container("training")
            yield
        finally:
            running.terminate()


def of_entra() -> str:
    """A token that Entra ID gives out for Blob Storage; Azurite looks at all of it but the signature."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{TENANT}/", "iat": now, "nbf": now - 60, "exp": now + 3600,
    }  # fmt: skip
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "x"]
    )


def listens(port: int) -> bool:
    """Whether somebody does, here."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main(server: str, cloud: str, uri: str, directory: str, *more: str) -> None:
    store = google if cloud == "gcp" else azure
    with store(server, directory, *more):
        done = subprocess.run(
            [sys.executable, "-m", "clouds.buckets", uri, directory], stdout=subprocess.PIPE, check=True
        )
    print(done.stdout.decode().strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
