"""The vendors' own names served on this machine: run inside a network and mount namespace where /etc/hosts says that they are here.

    python -m clouds.fakes.internet SERVER.PEM gcp|azure

The daemon's clients are made with no setting at all: names are resolved, certificates checked, tokens fetched, as with a real account. Prints what happened
as JSON.
"""

from __future__ import annotations

import json
import sys

from clouds.fakes.azure_cloud import AzureCloud
from clouds.fakes.certificate import context_of
from clouds.fakes.daily import day
from clouds.fakes.entra import entra
from clouds.fakes.google_cloud import GoogleCloud
from clouds.fakes.wire import Answer, Request, Wire

NAMES = (
    "compute.googleapis.com",
    "tpu.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "oauth2.googleapis.com",
    "management.azure.com",
    "login.microsoftonline.com",
)
ADDRESS = ("", 443)  # each name has an address of its own


class Internet:
    """All the names on one address, told apart by the Host header."""

    def __init__(self, server: bytes) -> None:
        self.google, self.azure = GoogleCloud(), AzureCloud()
        self.azure.url = "https://management.azure.com"
        self.tokens = 0
        self.wire = Wire(self._answer, tls=context_of(server), address=ADDRESS)

    def close(self) -> None:
        self.wire.close()
        self.google.close()
        self.azure.close()

    def _answer(self, request: Request) -> Answer:
        host = request.headers["host"].partition(":")[0]
        if host == "management.azure.com":
            return self.azure._answer(request)
        if host == "oauth2.googleapis.com":
            return self._token()
        if host == "login.microsoftonline.com":
            return entra(request) or self._token()
        return self.google._answer(request)

    def _token(self) -> Answer:
        self.tokens += 1
        return Answer(
            200, {"access_token": f"t{self.tokens}", "expires_in": 3600, "ext_expires_in": 3600, "token_type": "Bearer"}
        )


def main(server: str, cloud: str) -> None:
    with open(server, "rb") as file:
        internet = Internet(file.read())
    try:
        if cloud == "gcp":
            from clouds.gcp.world import offer
        else:
            from clouds.azure.world import offer
        fake = internet.google if cloud == "gcp" else internet.azure
        live = internet.google.compute.live if cloud == "gcp" else internet.azure.arm.machines
        said = day(offer(), lambda: len(live()))
        held = internet.google.compute.held() + internet.azure.arm.held()
        print(json.dumps({"said": said, "held": held, "violations": fake.violations, "tokens": internet.tokens}))
    finally:
        internet.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
