"""What cloud-init makes of our first-boot document, as far as a machine of the lab needs it: user, keys, files, the lease's guard."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Mapping
from typing import Any

from clouds.lab.namespaces import Host, Lab
from tradewind.broker.provision.user_data import GUARD_INTERVAL_S

GUARD = "/usr/local/sbin/tradewind-lease-guard"
NOTHING: Mapping[str, tuple[str, int]] = {}
POWER_OFF = "#!/bin/sh\nkill -TERM 1\n"  # sshd is the first process; SIGKILL from within does not reach it


def read_documents(user_data: str) -> list[dict[str, Any]]:
    """The cloud-config documents of plain or multi-part user data."""
    if user_data.startswith("#cloud-config"):
        return [json.loads(user_data.partition("\n")[2])]
    parts = email.message_from_string(user_data).walk()
    return [
        json.loads(part.get_payload().partition("\n")[2])
        for part in parts
        if part.get_content_subtype() == "cloud-config"
    ]


def boot_with(
    lab: Lab,
    addresses: tuple[str, ...],
    user_data: str,
    *,
    guard_interval_s: float = GUARD_INTERVAL_S,
    power_off: str = POWER_OFF,
    image: Mapping[str, tuple[str, int]] = NOTHING,
) -> Host:
    """A machine of the lab that boots with this document; `image` is what its image has beyond this machine's own files."""
    first, *rest = read_documents(user_data)
    (user,) = [entry for entry in first["users"] if isinstance(entry, dict)]
    files: dict[str, tuple[str, int]] = dict(image)
    for document in (first, *rest):
        for entry in document.get("write_files", []):
            files[entry["path"]] = (entry["content"], int(entry["permissions"], 8))
    content, mode = files[GUARD]
    files[GUARD] = (re.sub(r"sleep \d+", f"sleep {guard_interval_s}", content), mode)
    files["/etc/lab/run.d/lease-guard"] = (f"#!/bin/sh\nPATH=/etc/lab/bin:$PATH exec {GUARD}\n", 0o755)
    files["/etc/lab/bin/systemctl"] = (power_off, 0o755)
    return lab.host(
        addresses,
        user=user["name"],
        authorized=tuple(user["ssh_authorized_keys"]),
        host_key=first["ssh_keys"]["ed25519_private"],
        files=files,
    )
