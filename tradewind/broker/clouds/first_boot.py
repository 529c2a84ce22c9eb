"""Adds to an instance's first-boot document what only one cloud needs: how the machine ends itself for good when its lease has run out. Pure.

Turning a machine off does not end its cost everywhere (an Azure machine that is off but not deallocated is paid for as if it ran). So a service of
the system waits for the shutdown; if the lease is over by then, it asks the cloud, as the machine's own identity, to delete it. A shutdown within
the lease - `tradewind stop`, a reboot - deletes nothing.
"""

from __future__ import annotations

import base64
import json

LEASE_FILE = "/var/lib/tradewind/lease"  # as the first-boot document writes it: the Unix second, in decimal
SCRIPT = "/usr/local/sbin/tradewind-end-for-good"
UNIT = "/etc/systemd/system/tradewind-end-for-good.service"
_BOUNDARY = "==tradewind-first-boot=="  # fixed, so that equal requests have equal bytes
_SERVICE = f"""[Unit]
Description=has the cloud delete this machine once its tradewind lease has run out
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/bin/python3 {SCRIPT}
TimeoutStopSec=60
[Install]
WantedBy=multi-user.target
"""


def deletion_script(*, token_url: str, token_header: tuple[str, str], delete_url: str, lease_file: str) -> str:
    """The program that runs at shutdown: nothing within the lease; after it, one authorised DELETE, tried for some seconds."""
    return f"""import json, time, urllib.request
try:
    until = float(open({lease_file!r}).read().strip() or 0)
except (OSError, ValueError):
    until = 0.0
if time.time() > until:
    for attempt in range(5):
        try:
            ask = urllib.request.Request({token_url!r}, headers={dict([token_header])!r})
            token = json.load(urllib.request.urlopen(ask, timeout=5))["access_token"]
            order = urllib.request.Request({delete_url!r}, method="DELETE", headers={{"Authorization": "Bearer " + token}})
            urllib.request.urlopen(order, timeout=20)
            break
        except OSError as error:
            print("tradewind: the cloud was not told to delete this machine:", error)
            time.sleep(2)
"""


def with_deletion(user_data: str, script: str) -> str:
    """The document with the service and its program added, as cloud-init's multi-part form; equal arguments give equal text."""
    addition = {
        "write_files": [
            {"path": SCRIPT, "content": script, "permissions": "0755"},
            {"path": UNIT, "content": _SERVICE, "permissions": "0644"},
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", UNIT.rsplit("/", 1)[1]]],
        # cloud-init replaces lists of an earlier part unless told to add to them
        "merge_how": "list(append)+dict(recurse_array)+str()",
    }
    added = "#cloud-config\n" + json.dumps(addition, indent=1) + "\n"
    return (
        f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"\nMIME-Version: 1.0\n\n'
        + "".join(_part(text) for text in (user_data, added))
        + f"--{_BOUNDARY}--\n"
    )


def _part(text: str) -> str:
    encoding, body = "7bit", text
    if not text.isascii():
        encoding, body = "base64", base64.encodebytes(text.encode()).decode()
    head = f'Content-Type: text/cloud-config; charset="utf-8"\nContent-Transfer-Encoding: {encoding}'
    return f"--{_BOUNDARY}\n{head}\n\n{body}\n"
