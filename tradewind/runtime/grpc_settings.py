"""The one gRPC method between head and node daemons, and the settings of both sides.

A generic handler over MessagePack bytes instead of generated protobuf code: the messages are the same typed, checked structs as everywhere
else in the runtime, so one codec and one set of definitions serve unix sockets, TLS streams and gRPC. What gRPC brings is HTTP/2 with mutual
TLS, flow control and keep-alive.
"""

from __future__ import annotations

SERVICE = "tradewind.runtime.Head"
METHOD = "Join"
PATH = f"/{SERVICE}/{METHOD}"

# A node beats this often, from a thread that does nothing else, and is lost after this much silence: acted on within five seconds of a power cut.
BEAT_S = 0.5
LOST_AFTER_S = 4.0

# For the node's side: a head that lost power.
KEEPALIVE_S = 1.0
KEEPALIVE_TIMEOUT_S = 2.5

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", int(KEEPALIVE_S * 1000)),
    ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", 1 << 28),
    ("grpc.max_send_message_length", 1 << 28),
    ("grpc.enable_http_proxy", 0),
    ("grpc.so_reuseport", 0),
)


def identity(data: bytes) -> bytes:
    """Messages are bytes already."""
    return data
