"""Who is logged in to a node over SSH besides us: from the kernel's own list of connections, read through the connection we have. The reading is pure.

SkyPilot's `wait_for: jobs_and_ssh` means them: shells, editors, copies. Our own connection is told apart by the address and port that its sshd
says it came from (ssh(1), SSH_CONNECTION).
"""

from __future__ import annotations

import socket

from tradewind.broker.provider import ProviderError, Transport

ESTABLISHED = "01"  # TCP_ESTABLISHED in linux/include/net/tcp_states.h, as /proc/net/tcp writes it
_SCRIPT = 'echo "$SSH_CONNECTION"; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true'
_TIMEOUT_S = 10.0


async def other_sessions(transport: Transport) -> int | None:
    """How many SSH connections but ours the node has; None when it does not say."""
    try:
        told = await transport.run(["sh", "-c", _SCRIPT], timeout_s=_TIMEOUT_S)
    except (ProviderError, OSError, TimeoutError):
        return None
    return None if told.exit_code else count(told.stdout.decode(errors="replace"))


def count(text: str) -> int:
    """The connections to the port that ours came in by, but ours, in what the node printed: SSH_CONNECTION, then /proc/net/tcp and tcp6.

    A node that is not reached by SSH has none that we could tell from this machine's own: 0.
    """
    first, _, table = text.partition("\n")
    ours = first.split()
    if len(ours) != 4:
        return 0
    here, port, own = int(ours[3]), int(ours[1]), ours[0]
    found = 0
    for line in table.splitlines():
        columns = line.split()
        if len(columns) < 4 or columns[3] != ESTABLISHED:
            continue
        local, remote = columns[1].split(":"), columns[2].split(":")
        if int(local[1], 16) == here and (int(remote[1], 16), _address(remote[0])) != (port, _plain(own)):
            found += 1
    return found


def _address(hexadecimal: str) -> str:
    """The address of /proc/net/tcp: 32-bit words in the machine's order, which is little-endian on all that we run on."""
    words = [bytes.fromhex(hexadecimal[i : i + 8])[::-1] for i in range(0, len(hexadecimal), 8)]
    raw = b"".join(words)
    return _plain(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw))


def _plain(address: str) -> str:
    """IPv4 within IPv6 as IPv4; without a zone."""
    return address.partition("%")[0].removeprefix("::ffff:")
