"""Machines of the lab behind the nodes of Cloud TPU's fake: their image makes their host keys itself and publishes them, and has chips in /dev."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Self

from clouds.fakes.cloud_tpu import CloudTpu
from clouds.lab.namespaces import Host, Lab
from tradewind.broker.provision.ssh_keys import KeyRing

# A /dev of the machine's own, so that what it has beside the usual is not this machine's too.
DEVICES = """#!/bin/sh
set -e
mkdir /run/dev && mount -t tmpfs -o mode=755 none /run/dev
for name in null zero full random urandom tty; do touch /run/dev/$name; mount --bind /dev/$name /run/dev/$name; done
mkdir /run/dev/pts /run/dev/shm
mount --bind /dev/pts /run/dev/pts; mount -t tmpfs -o mode=1777 none /run/dev/shm
ln -s pts/ptmx /run/dev/ptmx; ln -s /proc/self/fd /run/dev/fd
mkdir -p {directories}; touch {files}
mount --rbind /run/dev /dev
"""


def devices(*paths: str) -> dict[str, tuple[str, int]]:
    """An image that shows these device files below /dev."""
    inside = [pathlib.PurePosixPath("/run/dev") / path for path in paths]
    script = DEVICES.format(
        directories=" ".join(sorted({str(path.parent) for path in inside}) or ["/run/dev"]),
        files=" ".join(map(str, inside)) or "/run/dev/null",
    )
    return {"/etc/lab/run.d/devices": (script, 0o755)}


class TpuRoom:
    """While open, every node has a machine; `image` is what the next ones have beyond this one's files."""

    def __init__(self, lab: Lab, fake: CloudTpu, keys: KeyRing) -> None:
        self.lab, self.fake, self._keys = lab, fake, keys
        self.machines: dict[str, Host] = {}
        self.image: Mapping[str, tuple[str, int]] = {}

    def __enter__(self) -> Self:
        self.fake.on_boot, self.fake.on_end = self._boot, self._end
        return self

    def __exit__(self, *_exc: object) -> None:
        self.fake.on_boot = self.fake.on_end = None
        for machine in self.machines.values():
            machine.remove()

    def _boot(self, name: str, private: str, public: str, metadata: dict[str, str]) -> None:
        user, _, key = metadata["ssh-keys"].partition(":")
        pair = self._keys.host(name)  # the image's own: nothing that we sent decides it
        self.machines[name] = self.lab.host(
            (private, public), user=user, authorized=(key,), host_key=pair.private, files=dict(self.image)
        )
        self.fake.host_keys[name] = pair.public.split()[1]

    def _end(self, name: str) -> None:
        if name in self.machines:
            self.machines[name].kill()
