"""A world whose only network is the loopback, where names of the vendors' lead to what a test serves there, with a certificate that is trusted."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence

from clouds.fakes.certificate import authority_and_server, write_authority
from clouds.lab.namespaces import ROOT, why_no_lab

ENTER = 'ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"'


def why_not() -> str:
    """What is missing here for such a world; "" when nothing is."""
    return why_no_lab()


def run(names: Sequence[str], directory: pathlib.Path, environment: Mapping[str, str], module: str, *words: str) -> str:
    """What the module prints, run there with these words after the file of the names' key and certificate. The n-th name leads to 127.0.0.n."""
    hosts = ["127.0.0.1 localhost", *(f"127.0.0.{number} {name}" for number, name in enumerate(names, 1))]
    (directory / "hosts").write_text("\n".join(hosts) + "\n")
    server = directory / "server.pem"
    server.write_bytes(authority_and_server(*names)[1])
    authority = write_authority(str(directory), *names)
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", str(directory / "hosts"),
         sys.executable, "-m", module, str(server), *words],
        env={
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "REQUESTS_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
            **environment,
        },
        cwd=directory, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
