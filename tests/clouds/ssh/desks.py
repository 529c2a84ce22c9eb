"""Machines of one's own in the lab, as their owner's daemon sees them: a list of three that are alike, each with its own disk to look at."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping

from clouds.household import Household
from clouds.lab.namespaces import Host, Lab
from clouds.mortals import Mortals
from tests.broker.nursery import Nursery
from tradewind.broker.clouds.ssh import slots
from tradewind.broker.provision.ssh_keys import KeyRing

USER = "ada"
NOTHING: Mapping[str, tuple[str, int]] = {}


class Desks(Household):
    """The machines, and the daemons of one data directory that lend them."""

    def __init__(
        self, directory: pathlib.Path, hosts: list[Host], keys: KeyRing, nursery: Nursery | None = None
    ) -> None:
        super().__init__(directory, nursery)
        self.hosts = hosts
        pathlib.Path(self.data_dir).mkdir(mode=0o700)
        (directory / "home").mkdir()
        listed = [
            {"ip": host.addresses[0], "name": f"desk{number}", "host_key": keys.host(f"desk{number}").public}
            for number, host in enumerate(hosts)
        ]
        pool = {"user": USER, "identity_file": keys.private_path, "hosts": listed}
        pathlib.Path(self.data_dir, "ssh_machines.yaml").write_text(json.dumps({"desks": pool}))  # JSON is YAML

    def environment(self) -> dict[str, str]:
        """Of somebody who has no cloud."""
        return {"HOME": str(self.directory / "home"), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}

    def below(self, host: Host) -> pathlib.Path:
        """What tradewind has on that machine."""
        return host.seed / "disk" / "home" / USER / ".tradewind"

    def tags(self) -> list[dict[str, str]]:
        """The tags of every instance that a machine is lent to."""
        found = []
        for host in self.hosts:
            with contextlib.suppress(FileNotFoundError):
                slot = slots.decode((self.below(host) / "slot.json").read_text())
                assert slot is not None
                found.append(slot.tags)
        return found

    def live(self) -> int:
        return len(self.tags())

    def bought(self) -> list[str]:
        """Every instance that a machine was ever lent to, by the record: after each death it has been held to the machines."""
        return sorted(Mortals(self).recorded(live_only=False))

    def held(self) -> list[str]:
        """All that is left of instances anywhere; the environment that they share stays."""
        left = [
            f"{host.name} {path.name}"
            for host in self.hosts
            if self.below(host).exists()
            for path in self.below(host).iterdir()
            if not path.name.startswith(("env", "wheels"))
        ]
        ledger = pathlib.Path(self.data_dir, "ssh_ledger")
        return left + ([path.name for path in ledger.iterdir()] if ledger.exists() else [])


@contextlib.contextmanager
def open_desks(
    directory: pathlib.Path,
    lab: Lab,
    nursery: Nursery | None = None,
    *,
    count: int = 3,
    image: Mapping[str, tuple[str, int]] = NOTHING,
) -> Iterator[Desks]:
    """So many machines with what `image` adds to each; afterwards nothing may be left on any."""
    keys = KeyRing(str(directory / "keys"))
    hosts = [
        lab.host(
            (f"10.78.{number}.1",),
            user=USER,
            authorized=(keys.login().public,),
            host_key=keys.host(f"desk{number}").private,
            files=dict(image),
        )
        for number in range(count)
    ]
    desks = Desks(directory, hosts, keys, nursery)
    try:
        for host in hosts:
            host.wait_ssh()
        yield desks
    finally:
        try:
            desks.daemon.end()
        finally:
            left = desks.held()
            for host in hosts:
                host.remove()
        assert left == [], f"left behind: {left}"
