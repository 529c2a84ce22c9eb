"""Machines of the lab behind the instances of a fake of Google's or Azure's: they boot when the fake does and die when it ends them."""

from __future__ import annotations

from typing import Self

from clouds.fakes.arm import Arm
from clouds.fakes.gce import Gce
from clouds.lab.first_boot import boot_with
from clouds.lab.namespaces import Host, Lab


class Room:
    """While open, every instance with a first-boot document has a machine at the addresses that the fake gives out."""

    def __init__(self, lab: Lab, fake: Gce | Arm) -> None:
        self.lab, self.fake = lab, fake
        self.machines: dict[str, Host] = {}

    def __enter__(self) -> Self:
        self.fake.on_boot, self.fake.on_end = self._boot, self._end
        return self

    def __exit__(self, *_exc: object) -> None:
        self.fake.on_boot = self.fake.on_end = None
        for machine in self.machines.values():
            machine.remove()

    def _boot(self, name: str, private: str, public: str, document: str) -> None:
        known = self.machines.get(name)
        if known is not None and known.addresses == (private, public):
            return
        if known is not None:  # stopped and started: another machine at another address
            known.remove()
        self.machines[name] = boot_with(self.lab, (private, public), document)

    def _end(self, name: str) -> None:
        if name in self.machines:
            self.machines[name].kill()
