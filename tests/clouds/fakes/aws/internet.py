"""AWS's own names served on this machine: run inside a network and mount namespace where /etc/hosts says that they are here.

    python -m clouds.fakes.aws.internet SERVER.PEM

The daemon's provider is made with no setting at all: names are resolved, certificates checked, credentials found. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import sys
import threading

from clouds.fakes.aws.shim import Shim
from clouds.fakes.aws.world import AwsWorld, offer
from clouds.fakes.certificate import context_of
from clouds.fakes.daily import day

ADDRESS = ("127.0.0.1", 443)


def names() -> list[str]:
    """Every name that a provider without settings may call."""
    import boto3

    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s")
    regions = session.get_available_regions("ec2")
    return [
        f"{service}.{region}.amazonaws.com" for region in regions for service in ("ec2", "ssm", "sts", "servicequotas")
    ]


def main(server_pem: str) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    with open(server_pem, "rb") as file:
        context = context_of(file.read())

    class Quiet(MotoRequestHandler):
        def log(self, *_args: object) -> None:
            """Nothing: the journal is the log."""

    shim = Shim(DomainDispatcherApplication(create_backend_app))
    server = make_server(*ADDRESS, shim, threaded=True, request_handler=Quiet, ssl_context=context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world = AwsWorld(shim, "unused")
    said = day(offer(), world.live)
    regions = {region for _, region, _ in shim.journal}
    print(json.dumps({"said": said, "held": world.held(), "regions": len(regions)}))


if __name__ == "__main__":
    main(sys.argv[1])
