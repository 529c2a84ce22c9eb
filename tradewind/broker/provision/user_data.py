"""What an instance is told to do at its first boot, as a cloud-init document. The same for all clouds.

It makes the login user, installs the host key that we pin, and starts the guard of the lease: a service of the system that turns the machine off
once the lease has run out and no agent is there to know better. So an instance whose daemon died before an agent was started ends all the same.
"""

from __future__ import annotations

import json

import msgspec

from tradewind.broker.provider import LaunchRequest
from tradewind.broker.provision.ssh_keys import KeyPair, KeyRing

LEASE_DIRECTORY = "/var/lib/tradewind"
LEASE_FILE = f"{LEASE_DIRECTORY}/lease"  # the Unix second, in decimal; the agent may move it
GUARD_INTERVAL_S = 30
USER_DATA_LIMIT = 16 * 1024  # bytes: AWS's limit, the least of the three clouds

# `[t]radewind` keeps pgrep from finding the shell that runs this line.
_GUARD = f"""#!/bin/sh
# Turns this machine off once its lease has run out and no agent is running.
while :; do
  sleep {GUARD_INTERVAL_S}
  until=$(cut -d. -f1 {LEASE_FILE} 2>/dev/null || echo 0)
  # a machine that was stopped for longer than its lease has its first minutes to be given another
  [ "$(cut -d. -f1 /proc/uptime)" -gt 600 ] || continue
  if [ "$(date +%s)" -gt "${{until:-0}}" ] && ! pgrep -f '[t]radewind\\.agent' >/dev/null; then
    systemctl poweroff || shutdown -P now || poweroff -f
  fi
done
"""
_UNIT = """[Unit]
Description=ends this machine when its tradewind lease has run out
[Service]
ExecStart=/usr/local/sbin/tradewind-lease-guard
Restart=always
[Install]
WantedBy=multi-user.target
"""


def with_login(request: LaunchRequest, keys: KeyRing) -> LaunchRequest:
    """The request with the login key and the first-boot document of this data directory; what it carries already is kept."""
    public = request.ssh_public_key or keys.login().public
    document = request.user_data or user_data(
        ssh_user=request.ssh_user,
        login_public=public,
        host_key=keys.host(request.instance_id),
        lease_until_unix=request.lease_until_unix,
    )
    return msgspec.structs.replace(request, ssh_public_key=public, user_data=document)


def user_data(*, ssh_user: str, login_public: str, host_key: KeyPair, lease_until_unix: float) -> str:
    """The cloud-init document of one instance; equal arguments give equal text. It holds the host's private key: a secret.

    JSON is YAML, and needs no care with quoting.
    """
    document = {
        "users": [
            "default",
            {
                "name": ssh_user,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [login_public],
            },
        ],
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
        "disable_root": True,
        "ssh_pwauth": False,
        "package_update": False,
        "package_upgrade": False,
        "write_files": [
            {"path": LEASE_FILE, "content": f"{lease_until_unix:.0f}\n", "permissions": "0644"},
            {"path": "/usr/local/sbin/tradewind-lease-guard", "content": _GUARD, "permissions": "0755"},
            {"path": "/etc/systemd/system/tradewind-lease.service", "content": _UNIT, "permissions": "0644"},
        ],
        "runcmd": [
            ["chown", "-R", f"{ssh_user}:", LEASE_DIRECTORY],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "tradewind-lease.service"],
        ],
    }
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"
