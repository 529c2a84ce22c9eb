"""The list of machines: a YAML file of pools, each with its hosts, in SkyPilot's spelling.

desks:                       # a pool: the region of its offers
  user: ada                  # for all hosts of the pool; each may have its own
  identity_file: ~/.ssh/id_ed25519
  hosts:
    - 192.168.1.20
    - ip: 192.168.1.21
      name: big-one
      port: 2222
      price: 0.35            # USD/hour, for comparison with clouds; 0 when not given
      host_key: ssh-ed25519 AAAAC3...
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from tradewind.broker.clouds.ssh.errors import CLOUD, refusal
from tradewind.broker.provision.ssh_transport import Endpoint

_POOL_FIELDS = {"user", "identity_file", "hosts", "price", "port"}
_HOST_FIELDS = {"ip", "host", "name", "user", "identity_file", "port", "price", "host_key"}


class Machine(msgspec.Struct, frozen=True):
    """One machine of a pool; `price_usd_h` is what its hour counts for, in USD."""

    name: str
    pool: str
    endpoint: Endpoint
    price_usd_h: float = 0.0


def load_machines(path: str) -> tuple[Machine, ...]:
    """The machines of the file, in its order.

    Raises:
        ProviderError: there is no such file ("NoFile"), or it does not hold pools of hosts ("BadFile", naming the place).
    """
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file)
    except FileNotFoundError as error:
        raise refusal("NoFile", f"there is no list of machines at {path}; docs/clouds/ssh.md shows one") from error
    except OSError as error:
        raise refusal("NoFile", f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise refusal("BadFile", f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return parse_machines(document, path)


def parse_machines(document: Any, path: str) -> tuple[Machine, ...]:
    """The machines of a parsed file; `path` is for messages. Raises ProviderError "BadFile"."""
    if not isinstance(document, dict) or not document:
        raise refusal("BadFile", f"{path}: expected pools by name, each with its hosts")
    machines: list[Machine] = []
    for pool, body in document.items():
        where = f"{path}: {pool}"
        _check_fields(body, _POOL_FIELDS, where)
        hosts = body.get("hosts")
        if not isinstance(hosts, list) or not hosts:
            raise refusal("BadFile", f"{where}: hosts must be a list of addresses")
        machines += [_machine(str(pool), body, host, f"{where}: hosts[{number}]") for number, host in enumerate(hosts)]
    names = [machine.name for machine in machines]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise refusal("BadFile", f"{path}: {', '.join(twice)} stands there twice; give each machine a name of its own")
    return tuple(machines)


def _machine(pool: str, shared: dict[str, Any], host: Any, where: str) -> Machine:
    own: dict[str, Any] = {"ip": host} if isinstance(host, str) else host
    _check_fields(own, _HOST_FIELDS, where)
    address = own.get("ip") or own.get("host")
    if not isinstance(address, str) or not address:
        raise refusal("BadFile", f"{where}: ip (or host) is missing")
    both = {**{k: v for k, v in shared.items() if k != "hosts"}, **own}
    port, price = both.get("port", 0), both.get("price", 0)
    if not isinstance(port, int) or not 0 <= port < 65536:
        raise refusal("BadFile", f"{where}: port must be a number below 65536, not {port!r}")
    if not isinstance(price, int | float) or price < 0:
        raise refusal("BadFile", f"{where}: price must be USD/hour, 0 or more, not {price!r}")
    endpoint = Endpoint(
        host=address,
        user=str(both.get("user") or ""),
        port=port,
        host_keys=(str(both["host_key"]),) if both.get("host_key") else (),
        cloud=CLOUD,
        identity_file=os.path.expanduser(str(both.get("identity_file") or "")),
    )
    return Machine(name=str(own.get("name") or address), pool=pool, endpoint=endpoint, price_usd_h=float(price))


def _check_fields(body: Any, known: set[str], where: str) -> None:
    if not isinstance(body, dict):
        raise refusal("BadFile", f"{where}: expected {', '.join(sorted(known))}")
    if unknown := sorted(str(key) for key in body if key not in known):
        raise refusal("BadFile", f"{where}: {unknown[0]} is not known here; it may have {', '.join(sorted(known))}")
