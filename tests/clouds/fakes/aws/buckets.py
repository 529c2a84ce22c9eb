"""moto's S3 on a socket of this machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def fake_s3(*buckets: str) -> Iterator[str]:
    """The endpoint of a fresh S3 that has these buckets."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_args: object) -> None:
            """Nothing."""

    s3_backends.reset()
    for bucket in buckets:
        s3_backends["123456789012"]["aws"].create_bucket(bucket_name=bucket, region_name="us-east-1")
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-s3")
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        s3_backends.reset()
