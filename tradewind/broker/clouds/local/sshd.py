"""A machine's own sshd: what it is told, and how a login finds the home of the instance that is there."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import time

from tradewind.broker.clouds.local.errors import refusal
from tradewind.broker.clouds.local.isolation import program

START_S = 15.0
# Every login ends up here: an interactive one gets a shell, scp and rsync their command, all in the home of the instance on the machine.
_ENTER = """#!/bin/sh
HOME=$(readlink -f {login}) && export HOME && cd || exit 1
[ -n "$SSH_ORIGINAL_COMMAND" ] && exec "${{SHELL:-/bin/sh}}" -c "$SSH_ORIGINAL_COMMAND"
exec "${{SHELL:-/bin/sh}}" -l
"""


def login_user() -> str:
    """Whoever runs tradewind: the machines share this computer's users."""
    return getpass.getuser()


def write_sshd(directory: str, *, address: str, port: int, host_key: str, authorized: str) -> list[str]:
    """The command line of an sshd at that address that lets in the one key; its files are in the directory. Raises OSError."""
    enter = os.path.join(directory, "enter")
    _write(enter, _ENTER.format(login=shlex.quote(os.path.join(directory, "login"))), 0o700)
    _write(os.path.join(directory, "host_key"), host_key, 0o600)
    _write(os.path.join(directory, "authorized_keys"), authorized + "\n", 0o600)
    sftp = next(
        (p for p in ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server") if os.path.exists(p)), ""
    )
    config = [
        f"ListenAddress {address}:{port}",
        f'HostKey "{directory}/host_key"',
        f'AuthorizedKeysFile "{directory}/authorized_keys"',
        f'ForceCommand "{enter}"',
        f'SetEnv "HOME={directory}/login"',  # else the shell that runs the command would read the user's own start-up files first
        *(["Subsystem sftp " + sftp] if sftp else []),
        "PidFile none",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        f"AllowUsers {login_user()}",
        "StrictModes no",  # the directory is 0700; the user's own home is not asked about
        "UsePAM "
        + ("yes" if _is_locked(login_user()) else "no"),  # without PAM sshd refuses an account without a password
        "X11Forwarding no",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "LogLevel ERROR",
    ]
    _write(os.path.join(directory, "sshd_config"), "\n".join(config) + "\n", 0o600)
    if os.geteuid() == 0:
        os.makedirs(
            "/run/sshd", mode=0o755, exist_ok=True
        )  # where sshd drops its privileges; it refuses to start without
    return [program("sshd"), "-D", "-e", "-f", os.path.join(directory, "sshd_config")]


def wait_for_sshd(address: str, port: int, log: str) -> None:
    """An sshd answers there. Raises ProviderError "time-out" with its last words."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection((address, port), timeout=1) as sock:
                if sock.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise refusal(
                "time-out", f"the sshd at {address}:{port} does not answer: {_tail(log) or 'it said nothing'}"
            )
        time.sleep(0.01)


def _is_locked(user: str) -> bool:
    """Whether the account's password is locked ("!" in shadow(5)); False where that cannot be read."""
    try:
        with open("/etc/shadow", encoding="utf-8") as file:
            return any(line.startswith(f"{user}:!") for line in file)
    except OSError:
        return False


def _write(path: str, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _tail(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return " ".join(file.read()[-400:].split())
    except OSError:
        return ""
