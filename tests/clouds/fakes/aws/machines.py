"""Machines of the lab behind the instances of a fake account: they boot when EC2 accepts a launch and die when it ends them, and the other way."""

from __future__ import annotations

import base64
import threading
from typing import Self

from clouds.fakes.aws import rules
from clouds.fakes.aws.world import REGIONS, AwsWorld
from clouds.fakes.doors import aws_doors
from clouds.lab.doors import Door, set_doors
from clouds.lab.first_boot import boot_with
from clouds.lab.namespaces import Host, Lab
from tradewind.broker.provider import Instance

WATCH_S = 0.05


class MachineRoom:
    """While open, every instance with user data has a machine."""

    def __init__(self, lab: Lab, world: AwsWorld) -> None:
        self.lab, self.world = lab, world
        self.machines: dict[str, Host] = {}
        self.guard_interval_s = 30.0
        self.image: dict[str, tuple[str, int]] = {}  # what the next machines' image has beyond this one's
        self._doors: dict[str, tuple[tuple[str, ...], list[Door]]] = {}
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="machine-room")

    def __enter__(self) -> Self:
        self.world.shim.on_launch = self._boot
        self._watcher.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closing.set()
        self._watcher.join()
        self.world.shim.on_launch = None
        for machine in self.machines.values():
            machine.remove()

    def machine(self, instance: Instance) -> Host:
        return self.machines[instance.provider_id.partition("/")[2]]

    def _boot(self, region: str, instance_id: str, form: dict[str, str]) -> None:
        if "UserData" not in form:
            return
        (instance,) = [i for i in rules.all_instances(region) if i.id == instance_id]
        addresses = instance.private_ip, instance.public_ip
        document = base64.b64decode(form["UserData"]).decode()
        self.machines[instance_id] = boot_with(
            self.lab, addresses, document, guard_interval_s=self.guard_interval_s, image=self.image
        )
        self._set_doors(region)

    def _set_doors(self, region: str) -> None:
        """Every machine lets in what its security groups say now."""
        for instance_id, doors in aws_doors(region).items():
            machine = self.machines.get(instance_id)
            if machine is not None and self._doors.get(instance_id) != (machine.addresses, doors):
                self._doors[instance_id] = machine.addresses, doors
                set_doors(machine, doors)

    def _watch(self) -> None:
        """What the cloud ends loses its machine; an instance whose machine turned itself off is ended by the cloud."""
        while not self._closing.wait(WATCH_S):
            for region in REGIONS:
                self._set_doors(region)
                for instance in rules.all_instances(region):
                    machine = self.machines.get(instance.id)
                    if machine is None:
                        continue
                    state, addresses = instance._state.name, (instance.private_ip, instance.public_ip)
                    if state in {"stopping", "stopped"}:
                        machine.kill()
                        continue
                    if state == "running" and addresses != machine.addresses:  # started again, at other addresses
                        machine.reboot(addresses)
                        self._set_doors(region)
                        continue
                    ended = state == "terminated"
                    if ended and machine.alive():
                        machine.kill()
                    elif not ended and machine.process is not None and not machine.alive():
                        self.world.shim.end(
                            region, instance.id, "Client.InstanceInitiatedShutdown", "Instance initiated shutdown"
                        )
