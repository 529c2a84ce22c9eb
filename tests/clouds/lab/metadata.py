"""The metadata services of the clouds, each on 169.254.169.254 inside a machine of the lab, with the headers that they insist on."""

from __future__ import annotations

import email.utils
import http.server
import json
import socketserver
import threading
import time
from typing import Literal, Self

from clouds.lab.namespaces import Host

Cloud = Literal["aws", "gcp", "azure"]
ADDRESS = ("169.254.169.254", 80)
TOKEN = "a-token-of-imdsv2"
# cloud -> the header without which it refuses. Sources: EC2 user guide, "Use IMDSv2"; cloud.google.com/compute/docs/metadata/querying-metadata;
# learn.microsoft.com/azure/virtual-machines/instance-metadata-service.
HEADERS = {
    "aws": ("X-aws-ec2-metadata-token", TOKEN),
    "gcp": ("Metadata-Flavor", "Google"),
    "azure": ("Metadata", "true"),
}
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


class MetadataService:
    """While open it answers inside the machine. `announce` makes it say that the machine is taken, as the cloud's pages show it."""

    def __init__(self, host: Host, cloud: Cloud) -> None:
        self.cloud = cloud
        self.answers: dict[str, bytes] = {}
        if cloud == "gcp":
            self.answers = {
                f"/computeMetadata/v1/instance/{name}": b"FALSE" for name in ("preempted", "maintenance-event")
            }
        if cloud == "azure":
            self.answers[EVENTS] = b'{"DocumentIncarnation": 1, "Events": []}'
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name, value = HEADERS[service.cloud]
                if self.headers.get(name) != value:
                    self._reply(401, b"")
                elif (body := service.answers.get(self.path)) is None:
                    self._reply(404, b"")
                else:
                    self._reply(200, body)

            def do_PUT(self) -> None:
                is_asked = service.cloud == "aws" and self.path == "/latest/api/token"
                is_asked = is_asked and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
                self._reply(200 if is_asked else 400, TOKEN.encode() if is_asked else b"")

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Nothing."""

        class Server(socketserver.ThreadingTCPServer):  # http.server's own would look its name up, and there is no DNS
            daemon_threads = True
            allow_reuse_address = True

        self._server = host.inside(lambda: Server(ADDRESS, Handler))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def announce(self, seconds: float) -> None:
        """The machine goes in so many seconds; Google says no time, and means thirty."""
        at = time.time() + seconds
        if self.cloud == "aws":
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
            body = json.dumps({"action": "terminate", "time": when}).encode()
            self.answers["/latest/meta-data/spot/instance-action"] = body
        elif self.cloud == "gcp":
            self.answers["/computeMetadata/v1/instance/preempted"] = b"TRUE"
        else:
            event = {
                "EventId": "A123BC45-1234-5678-AB90-ABCDEF123456",
                "EventType": "Preempt",
                "ResourceType": "VirtualMachine",
                "Resources": ["node"],
                "EventStatus": "Scheduled",
                "NotBefore": email.utils.formatdate(at, usegmt=True),
                "EventSource": "Platform",
                "DurationInSeconds": -1,
            }
            self.answers[EVENTS] = json.dumps({"DocumentIncarnation": 2, "Events": [event]}).encode()
