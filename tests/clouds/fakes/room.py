"""Machines of the lab behind the instances of a fake of Google's or Azure's: they boot when the fake does and die when it ends them."""

from __future__ import annotations

from typing import Self

from clouds.fakes.arm import Arm
from clouds.fakes.doors import arm_doors, gce_doors
from clouds.fakes.gce import Gce
from clouds.lab.doors import set_doors
from clouds.lab.first_boot import boot_with
from clouds.lab.namespaces import Host, Lab


class Room:
    """While open, every instance with a first-boot document has a machine at the addresses that the fake gives out."""

    def __init__(self, lab: Lab, fake: Gce | Arm) -> None:
        self.lab, self.fake = lab, fake
        self.machines: dict[str, Host] = {}
        self._doors: dict[str, object] = {}
        self.image: dict[str, tuple[str, int]] = {}  # what the next machines' image has beyond this one's

    def __enter__(self) -> Self:
        self.fake.on_boot, self.fake.on_end, self.fake.on_rules = self._boot, self._end, self._set_doors
        return self

    def __exit__(self, *_exc: object) -> None:
        self.fake.on_boot = self.fake.on_end = self.fake.on_rules = None
        for machine in self.machines.values():
            machine.remove()

    def _boot(self, name: str, private: str, public: str, document: str) -> None:
        known = self.machines.get(name)
        if known is None:
            self.machines[name] = boot_with(self.lab, (private, public), document, image=self.image)
        elif not known.alive() or known.addresses != (private, public):  # stopped and started
            known.reboot((private, public))
        self._set_doors()

    def _set_doors(self) -> None:
        """Every machine lets in what the cloud's firewall says now."""
        doors = gce_doors(self.fake) if isinstance(self.fake, Gce) else arm_doors(self.fake)
        for name, machine in list(self.machines.items()):
            wanted = machine.addresses, doors.get(name)
            if wanted[1] is not None and self._doors.get(name) != wanted:
                self._doors[name] = wanted
                set_doors(machine, wanted[1])

    def _end(self, name: str) -> None:
        if name in self.machines:
            self.machines[name].kill()
