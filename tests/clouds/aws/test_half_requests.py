"""A daemon that is killed while it asks has asked nothing."""

import socket
from urllib.parse import urlsplit

from clouds.fakes.aws.world import AwsWorld


def test_half_a_request_is_no_call(world: AwsWorld) -> None:
    at = urlsplit(world.endpoint)
    scope = "Credential=A/20260101/us-east-1/ec2/aws4_request"
    with socket.create_connection((at.hostname, at.port)) as half:
        half.sendall(
            f"POST / HTTP/1.1\r\nHost: ec2\r\nAuthorization: AWS4-HMAC-SHA256 {scope}\r\nContent-Length: 99\r\n\r\n".encode()
        )
        half.shutdown(socket.SHUT_WR)
        while half.recv(4096):
            pass
    assert list(world.calls()) == []
