"""What this machine can do at all: the least Python that moves the same bytes, with no retries, ownership or scheduling.

A runtime's rate divided by these says how much of the machine is left. Run in the same minute as what it is compared with.
"""

import argparse
import json
import mmap
import os
import pickle
import select
import socket
import struct
import time

LENGTH = struct.Struct("<I")
IN_FLIGHT = 1000


def serve(sock: socket.socket) -> None:
    """Answers each framed call with None until the peer closes."""
    received = bytearray()
    while data := sock.recv(1 << 18):
        received += data
        out = bytearray()
        for frame in take_frames(received):
            number, _ = pickle.loads(frame)
            reply = pickle.dumps((number, None), 5)
            out += LENGTH.pack(len(reply)) + reply
        sock.sendall(out)


def take_frames(buffer: bytearray) -> list[bytes]:
    """The complete frames at the start of buffer, which loses them."""
    frames, position = [], 0
    while len(buffer) - position >= LENGTH.size:
        (size,) = LENGTH.unpack_from(buffer, position)
        if len(buffer) - position - LENGTH.size < size:
            break
        position += LENGTH.size
        frames.append(bytes(buffer[position : position + size]))
        position += size
    del buffer[:position]
    return frames


class Caller:
    """Two forked workers and a socket to each."""

    def __init__(self) -> None:
        self.links = []
        self.results: dict[int, object] = {}
        self.number = 0
        self.poll = select.epoll()
        self.pids = []
        for _ in range(2):
            here, there = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                here.close()
                serve(there)
                os._exit(0)
            there.close()
            self.pids.append(pid)
            self.links.append((here, bytearray(), bytearray()))
            self.poll.register(here.fileno(), select.EPOLLIN)

    def submit(self) -> int:
        """The number of a call that is on its way, or waits for a full batch."""
        self.number += 1
        sock, out, _ = self.links[self.number % 2]
        message = pickle.dumps((self.number, ()), 5)
        out += LENGTH.pack(len(message)) + message
        if len(out) > 1 << 15:
            sock.sendall(out)
            out.clear()
        return self.number

    def get(self, number: int) -> object:
        """The call's result."""
        while number not in self.results:
            for sock, out, _ in self.links:
                if out:
                    sock.sendall(out)
                    out.clear()
            ready = {fd for fd, _ in self.poll.poll()}
            for sock, _, received in self.links:
                if sock.fileno() in ready:
                    received.extend(sock.recv(1 << 18))
                    for frame in take_frames(received):
                        done, value = pickle.loads(frame)
                        self.results[done] = value
        return self.results.pop(number)

    def close(self) -> None:
        """The workers have ended."""
        for sock, _, _ in self.links:
            sock.close()
        self.poll.close()
        for pid in self.pids:
            os.waitpid(pid, 0)


def rate(count: int, work) -> float:
    """Per second, the best of three."""
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return count / best


def copy_rates(size: int = 100_000_000) -> tuple[float, float]:
    """GB/s of a copy into fresh pages of shared memory, and into pages touched before."""
    source = bytearray(os.urandom(1 << 20)) * (size >> 20)
    with mmap.mmap(-1, len(source)) as target:
        begin = time.perf_counter()
        target[:] = source
        fresh = len(source) / (time.perf_counter() - begin) / 1e9
        best = float("inf")
        for _ in range(3):
            begin = time.perf_counter()
            target[:] = source
            best = min(best, time.perf_counter() - begin)
    return fresh, len(source) / best / 1e9


def measure() -> dict[str, float]:
    """Every figure, by name."""
    caller = Caller()
    try:
        single = rate(2000, lambda: [caller.get(caller.submit()) for _ in range(2000)])
        many = rate(IN_FLIGHT, lambda: [caller.get(number) for number in [caller.submit() for _ in range(IN_FLIGHT)]])
    finally:
        caller.close()
    fresh, touched = copy_rates()
    return {
        "calls one at a time /s": single,
        "calls 1,000 in flight /s": many,
        "copy fresh pages GB/s": fresh,
        "copy touched pages GB/s": touched,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure()
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<28}{value:>14,.1f}")


if __name__ == "__main__":
    main()
