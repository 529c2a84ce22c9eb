"""Network namespaces as machines: each host has its own addresses, processes, root file system (a copy-on-write view of this one) and sshd.

Root is needed. A host costs about 0.1 s and 2 MB. What a developer has in their home, in the checkout and in /tmp is hidden from it.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from clouds.lab.claims import claim
from clouds.lab.sshd import SSHD

T = TypeVar("T")
ROOT = pathlib.Path(__file__).resolve().parents[3]
CLONE_NEWNET = 0x40000000
BRIDGE_ADDRESS = "10.231.0.1"
START_S = 15.0


def why_no_lab() -> str:
    """What is missing for a lab on this machine; "" when nothing is."""
    if os.geteuid() != 0:
        return "the lab of real hosts needs root (network namespaces, overlay mounts)"
    missing = [
        name
        for name in ("ip", "unshare", "pivot_root")
        if not shutil.which(name, path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    ]
    if missing or not SSHD:
        return f"the lab of real hosts needs {', '.join([*missing, *([] if SSHD else ['sshd'])])}: apt-get install iproute2 openssh-server"
    probe = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else f"no namespaces here: {probe.stderr.decode().strip()}"


# Arguments: seed directory, interpreter prefix with the lab's packages, checkout, base prefix, the lab's packages, name, and what is laid over
# the whole disk when the interpreter is the system's own (it cannot be mounted over /usr then). What lies under `disk` outlives a boot.
INIT = r"""
set -eu
SEED=$1 PYTHON=$2 CHECKOUT=$3 PREFIX=$4 LAYER=$7
LOWER=/; if [ "$PREFIX" = /usr ]; then LOWER=$LAYER:/; fi
mount --make-rprivate /
M=$SEED/disk; mkdir -p $M/root; rm -rf $M/work; mkdir $M/work
mount -t overlay overlay -o lowerdir=$LOWER,upperdir=$M/up,workdir=$M/work $M/root
for hidden in /root /home /tmp /run /var/tmp "$CHECKOUT"; do
  [ -d "$M/root$hidden" ] || continue
  mount -t tmpfs -o mode=755 none "$M/root$hidden"
done
chmod 1777 $M/root/tmp
mount --bind $M/home $M/root/home
mkdir -p $M/root/run/sshd $M/root/oldroot
mkdir -p $M/root/opt/lab/site-packages; mount --bind "$5" $M/root/opt/lab/site-packages
if [ "$PREFIX" != /usr ]; then
  mkdir -p "$M/root$PREFIX"; mount --rbind "$PYTHON" "$M/root$PREFIX"
  # a script, not a link: an environment made through a link would look for its library beside the link
  printf '#!/bin/sh\nexec %s/bin/python3 "$@"\n' "$PREFIX" > $M/root/usr/local/bin/python3; chmod 755 $M/root/usr/local/bin/python3
fi
mount -t proc proc $M/root/proc
mount --rbind /dev $M/root/dev
hostname "$6"
cd $M/root
pivot_root . oldroot
umount -l /oldroot
rmdir /oldroot 2>/dev/null || true
for run in /etc/lab/run.d/*; do [ -x "$run" ] && setsid "$run" </dev/null >/tmp/$(basename "$run").log 2>&1 & done
exec /usr/sbin/sshd -D -e -f /etc/ssh/lab_sshd_config
"""
SSHD_CONFIG = (
    "ListenAddress 0.0.0.0\nHostKey /etc/ssh/lab_host_key\nPidFile none\nUsePAM no\nPasswordAuthentication no\nStrictModes no\n"
    "PermitRootLogin no\nMaxStartups 100\nMaxSessions 100\nLogLevel ERROR\nSubsystem sftp internal-sftp\n"
)


class Host:
    """One machine of the lab. `files` are what its image has beyond this machine's own (absolute path -> content, mode)."""

    def __init__(self, lab: Lab, name: str, addresses: tuple[str, ...], seed: pathlib.Path) -> None:
        self.lab, self.name, self.addresses, self.seed = lab, name, addresses, seed
        self.link = f"v{name}"[:15]
        self.process: subprocess.Popen[bytes] | None = None
        self._claims: list[socket.socket] = []

    def reboot(self, addresses: tuple[str, ...]) -> None:
        """It boots again, at these addresses, with the disk that it had."""
        self.kill()
        self._unplug()
        self.addresses = addresses
        self.boot()

    def boot(self) -> None:
        """Its network is up and its first process is started; `wait_ssh` says when it answers."""
        lab = self.lab
        self._claims = [claim(address) for address in self.addresses]
        _ip("netns", "add", self.name)
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self.link, "master", lab.bridge, "up")
        inside = ["lo up", "eth0 up"]
        for state in inside:
            _ip("-n", self.name, "link", "set", *state.split())
        for address in self.addresses:
            _ip("-n", self.name, "address", "add", f"{address}/32", "dev", "eth0")
            _ip("route", "replace", f"{address}/32", "dev", lab.bridge)
        _ip("-n", self.name, "address", "add", "169.254.169.254/32", "dev", "lo")
        _ip("-n", self.name, "route", "add", "default", "dev", "eth0", "src", self.addresses[0])
        with open(self.seed / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child",
                 "sh", "-c", INIT, "init", str(self.seed), str(lab.python), str(ROOT), sys.base_prefix, str(lab.packages), self.name,
                 str(lab.layer)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            )  # fmt: skip

    def wait_ssh(self) -> None:
        """Its sshd answers."""
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.addresses[-1], 22), timeout=1) as sock:
                if sock.recv(4) == b"SSH-":
                    return
            if time.monotonic() > deadline or not self.alive():
                pytest.fail(f"host {self.name} did not come up: {(self.seed / 'console').read_text()[-2000:]}")
            time.sleep(0.02)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Its first process is killed, and with it all others: its peers see their connections end."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)  # --kill-child takes the namespace along
            self.process.wait()
        for held in self._claims:
            held.close()

    def lose_power(self) -> None:
        """Its cable is cut, then it dies: nobody is told."""
        self.cut_cable()
        self.kill()

    def cut_cable(self) -> None:
        """Nobody hears of it any more, and it runs on."""
        _ip("link", "set", self.link, "down")

    def remove(self) -> None:
        """Nothing of it is left on this machine."""
        self.kill()
        self._unplug()
        subprocess.run(["umount", "-l", str(self.seed / "disk")], check=False, capture_output=True)

    def _unplug(self) -> None:
        for address in self.addresses:
            _ip("route", "del", f"{address}/32", "dev", self.lab.bridge, check=False)
        _ip("link", "del", self.link, check=False)  # first: a namespace frees its link only later
        _ip("netns", "del", self.name, check=False)

    def inside(self, work: Callable[[], T]) -> T:
        """What `work` returns in a thread that stands in this host's network: sockets made there stay there."""
        caught: list[T] = []

        def enter() -> None:
            descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            caught.append(work())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return caught[0]


def _site_packages() -> str:
    """Where the interpreter that the tests' environment was made from looks for packages; Debian's own looks elsewhere than others."""
    asked = "import site; print(site.getsitepackages()[0])"
    base = os.path.join(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    return subprocess.run([base, "-I", "-c", asked], capture_output=True, check=True, text=True).stdout.strip()


class Lab:
    """A bridge with hosts on it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.tag = f"tw{os.getpid()}"
        self.bridge = f"{self.tag}br"[:15]
        self.hosts: list[Host] = []
        self.python = directory / "python"
        self.layer = directory / "layer"
        self.packages = pathlib.Path(sysconfig.get_path("purelib"))
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def open(self) -> None:
        _sweep_stale()
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("link", "set", self.bridge, "up")
        _ip("address", "add", f"{BRIDGE_ADDRESS}/32", "dev", self.bridge)
        # The image's interpreter: this one, with the packages of the tests' environment but not the checkout itself.
        self.layer.mkdir()  # a file system of its own: layers of an overlay must not lie inside one another
        subprocess.run(["mount", "-t", "tmpfs", self.tag, str(self.layer)], check=True)
        extra = self.layer / _site_packages().lstrip("/")
        extra.mkdir(parents=True)
        (extra / "lab.pth").write_text("/opt/lab/site-packages\n")
        os.setxattr(extra, "trusted.overlay.opaque", b"y")  # what this machine's interpreter has beside it stays unseen
        self.python.mkdir()
        subprocess.run(
            [
                "mount",
                "-t",
                "overlay",
                self.tag,  # the source of an overlay is only a name: it says whose mount this is
                "-o",
                f"lowerdir={self.layer}{sys.base_prefix}:{sys.base_prefix}",
                str(self.python),
            ],
            check=True,
        )

    def close(self) -> None:
        for host in self.hosts:
            host.remove()
        _ip("link", "del", self.bridge, check=False)
        for mounted in (self.python, self.layer):
            subprocess.run(["umount", "-l", str(mounted)], check=False, capture_output=True)

    def host(
        self,
        addresses: tuple[str, ...],
        *,
        user: str,
        authorized: tuple[str, ...],
        host_key: str,
        files: dict[str, tuple[str, int]] | None = None,
    ) -> Host:
        """A booting machine with that login user; the last of its addresses is where sshd is reached from here."""
        with self._lock:
            name = f"{self.tag}n{next(self._numbers)}"
        seed = self.directory / name
        disk = seed / "disk"
        disk.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", self.tag, str(disk)], check=True)  # its source says whose mount it is
        home = disk / "home" / user / ".ssh"
        home.mkdir(parents=True)
        (home / "authorized_keys").write_text("\n".join(authorized) + "\n")
        etc = disk / "up" / "etc"
        (etc / "ssh").mkdir(parents=True)
        uid = 4242
        (etc / "passwd").write_text(
            f"{pathlib.Path('/etc/passwd').read_text()}{user}:x:{uid}:{uid}::/home/{user}:/bin/bash\n"
        )
        (etc / "group").write_text(f"{pathlib.Path('/etc/group').read_text()}{user}:x:{uid}:\n")
        (etc / "shadow").write_text(f"{pathlib.Path('/etc/shadow').read_text()}{user}:*:19000:0:99999:7:::\n")
        (etc / "ssh" / "lab_sshd_config").write_text(SSHD_CONFIG)
        (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # nobody answers, and says so at once
        (etc / "ssh" / "lab_host_key").write_text(host_key)
        (etc / "ssh" / "lab_host_key").chmod(0o600)
        for path, (content, mode) in (files or {}).items():
            target = disk / "up" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
            target.chmod(mode)
        for path in (disk / "home" / user, *(disk / "home" / user).rglob("*")):
            os.chown(path, uid, uid)
        host = Host(self, name, addresses, seed)
        self.hosts.append(host)
        host.boot()
        return host


@contextlib.contextmanager
def open_lab(directory: pathlib.Path) -> Iterator[Lab]:
    if reason := why_no_lab():
        pytest.skip(reason)
    directory.mkdir(parents=True, exist_ok=True)
    lab = Lab(directory)
    try:
        lab.open()
        yield lab
    finally:
        lab.close()


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.decode().strip()}")


def _sweep_stale() -> None:
    """What a killed test run left: namespaces and links of processes that are gone."""
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout.split("\n")
    for name in (line.split()[0] for line in names if line.startswith("tw")):
        pid = name[2:].partition("n")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            for held in subprocess.run(
                ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
            ).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(held), signal.SIGKILL)
            _ip("link", "del", f"v{name}"[:15], check=False)
            _ip("netns", "del", name, check=False)
    for source, target in (line.split()[:2] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()):
        if source.startswith("tw") and source[2:].isdigit() and not os.path.exists(f"/proc/{source[2:]}"):
            subprocess.run(["umount", "-l", target], check=False, capture_output=True)
    for path in pathlib.Path("/sys/class/net").glob("tw*br"):
        if not os.path.exists(f"/proc/{path.name[2:-2]}"):
            _ip("link", "del", path.name, check=False)
