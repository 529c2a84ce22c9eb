"""Two nodes in network namespaces of their own (needs root): object transfer beside a plain TLS loop, sync calls across, Ray's beside ours.

`python runtime_nodes.py [--ray-python PYTHON]`
"""

import argparse
import json
import os
import pathlib
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LARGE = 100_000_000
NEAR, FAR = "10.214.77.1", "10.214.77.2"
HERE_SPACE, THERE_SPACE = f"twb{os.getpid()}a", f"twb{os.getpid()}b"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def make_link():
    """Two namespaces with a cable between them."""
    for space in (HERE_SPACE, THERE_SPACE):
        ip("netns", "add", space)
        ip("-n", space, "link", "set", "lo", "up")
    ip("-n", HERE_SPACE, "link", "add", "twb0", "type", "veth", "peer", "name", "twb1", "netns", THERE_SPACE)
    for space, device, address in ((HERE_SPACE, "twb0", NEAR), (THERE_SPACE, "twb1", FAR)):
        ip("-n", space, "addr", "add", f"{address}/24", "dev", device)
        ip("-n", space, "link", "set", device, "up")


def drop_link():
    """The namespaces are gone."""
    for space in (HERE_SPACE, THERE_SPACE):
        subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def inside(space, *command, **options):
    """The command, running in the namespace."""
    return subprocess.Popen(["ip", "netns", "exec", space, *command], text=True, **options)


def tls_loop(side, credentials_file):
    """One end of the floor: 100 MB over mutual TLS, from and into memory that is there already, five times. The receiver prints GB/s."""
    import socket

    from tradewind.runtime.credentials import ClusterCredentials, MemberCertificate, tls_contexts

    credentials = ClusterCredentials.from_bytes(pathlib.Path(credentials_file).read_bytes())
    contexts = tls_contexts(credentials, MemberCertificate.issue(credentials))
    data = bytearray(LARGE)
    if side == "send":
        with socket.create_server((FAR, 4433)) as listener:
            print("ready", flush=True)
            sock, _ = listener.accept()
            with contexts.server.wrap_socket(sock, server_side=True) as tls:
                for _ in range(5):
                    tls.recv(1)
                    tls.sendall(data)
                tls.recv(1)
        return
    rates = []
    with socket.create_connection((NEAR if side == "near" else FAR, 4433)) as sock:
        tls = contexts.client.wrap_socket(sock, server_hostname=contexts.server_name)
        view = memoryview(data)
        for _ in range(5):
            begin = time.perf_counter()
            tls.sendall(b"x")
            done = 0
            while done < LARGE:
                done += tls.recv_into(view[done:])
            rates.append(LARGE / 1e9 / (time.perf_counter() - begin))
        tls.sendall(b"x")
        assert isinstance(tls, ssl.SSLSocket)
    print(f"RESULT {json.dumps(statistics.median(rates))}")


def workload(engine):
    """What both engines do: a driver in the one namespace, an actor in the other."""
    import importlib

    import numpy as np

    ray = importlib.import_module("ray" if engine == "ray" else "tradewind.runtime")
    ray.init(address=f"{NEAR}:6379", log_to_driver=False) if engine == "ray" else ray.init()

    class Far:
        def nothing(self):
            pass

        def make(self):
            return np.ones(LARGE // 8)

    far = ray.remote(num_cpus=0, resources={"far": 1})(Far).remote()
    ray.get([far.nothing.remote() for _ in range(100)])
    calls, rates = [], []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(300):
            ray.get(far.nothing.remote())
        calls.append(300 / (time.perf_counter() - begin))
    for _ in range(5):
        ref = far.make.remote()
        ray.wait([ref], fetch_local=False)
        time.sleep(0.2)
        begin = time.perf_counter()
        ray.get(ref)
        rates.append(LARGE / 1e9 / (time.perf_counter() - begin))
        del ref
        time.sleep(0.3)
    print(f"RESULT {json.dumps([statistics.median(calls), statistics.median(rates)])}")
    ray.shutdown()


def serve(role, directory, address, head, credentials_file):
    """A head with a node, or a node, until standard input ends."""
    from tradewind.runtime import launcher
    from tradewind.runtime.credentials import ClusterCredentials

    credentials = ClusterCredentials.from_bytes(pathlib.Path(credentials_file).read_bytes())
    made = []
    if role == "head":
        made.append(launcher.start_head(f"{directory}/head", address, credentials=credentials, timeout_s=60))
        head = made[0].address
    node = launcher.start_node(
        f"{directory}/{role}", head, address, credentials=credentials, python=sys.executable, working_dir=directory,
        resources={"CPU": 1, "memory": 1 << 31, **({"far": 1} if role == "far" else {})}, object_store_bytes=1 << 30, timeout_s=60,
    )  # fmt: skip
    print(head, node.address, flush=True)
    sys.stdin.read()
    for process in [node, *made]:
        process.stop()


def result_of(process):
    """What the process printed as its result."""
    out, _ = process.communicate(timeout=120)
    for line in out.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise RuntimeError(f"it ended with exit code {process.returncode} and no result")


def ours(directory, credentials):
    """[calls/s, GB/s] of tradewind."""
    me = [sys.executable, str(HERE / "runtime_nodes.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    head = inside(HERE_SPACE, *me, "--serve", "head", directory, NEAR, "-", credentials, **pipes)
    far = None
    try:
        address, node = head.stdout.readline().split()
        far = inside(THERE_SPACE, *me, "--serve", "far", directory, FAR, address, credentials, **pipes)
        far.stdout.readline()
        environment = {**os.environ, "TRADEWIND_ADDRESS": node}
        return result_of(inside(HERE_SPACE, *me, "--workload", "tradewind", stdout=subprocess.PIPE, env=environment))
    finally:
        for process in (far, head):
            if process is not None:
                process.communicate("")


def rays(python):
    """[calls/s, GB/s] of Ray."""
    ray = str(pathlib.Path(python).parent / "ray")
    common = ["--num-cpus", "1", "--object-store-memory", str(1 << 30), "--disable-usage-stats"]
    # Ray's own safety on, as ours is; it does not encrypt.
    token = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": token}
    try:
        inside(HERE_SPACE, ray, "start", "--head", "--node-ip-address", NEAR, "--port", "6379", "--include-dashboard", "false", *common, **quiet).wait(60)  # fmt: skip
        inside(THERE_SPACE, ray, "start", "--address", f"{NEAR}:6379", "--node-ip-address", FAR, "--resources", '{"far": 1}', *common, **quiet).wait(60)  # fmt: skip
        return result_of(inside(HERE_SPACE, python, str(HERE / "runtime_nodes.py"), "--workload", "ray", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=token))  # fmt: skip
    finally:
        for space in (HERE_SPACE, THERE_SPACE):
            pids = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False).stdout
            for pid in pids.split():
                subprocess.run(["kill", "-9", pid], check=False, capture_output=True)
        # Ray would look for this cluster from now on.
        pathlib.Path("/tmp/ray/ray_current_cluster").unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ray-python", default="", help="an interpreter that has Ray; default: Ray is left out")
    parser.add_argument("--workload", default="", help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--tls", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.workload:
        workload(options.workload)
    elif options.serve:
        serve(*options.serve)
    elif options.tls:
        tls_loop(*options.tls)
    else:
        compare(options.ray_python)


def compare(ray_python):
    """Prints the table."""
    from tradewind.runtime.credentials import ClusterCredentials

    assert threading.active_count() == 1
    with tempfile.TemporaryDirectory() as directory:
        credentials = f"{directory}/credentials"
        pathlib.Path(credentials).write_bytes(ClusterCredentials.new("bench").to_bytes())
        make_link()
        try:
            me = [sys.executable, str(HERE / "runtime_nodes.py"), "--tls"]
            sender = inside(THERE_SPACE, *me, "send", credentials, stdout=subprocess.PIPE)
            sender.stdout.readline()
            floor = result_of(inside(HERE_SPACE, *me, "receive", credentials, stdout=subprocess.PIPE))
            sender.communicate()
            calls, rate = ours(directory, credentials)
            print(f"plain TLS loop                {floor:8.2f} GB/s")
            print(f"object of 100 MB, other node  {rate:8.2f} GB/s = {rate / floor:.0%} of the loop")
            print(f"sync call, other node         {calls:8,.0f} /s")
            if ray_python:
                ray_calls, ray_rate = rays(ray_python)
                print(
                    f"Ray: object {ray_rate:.2f} GB/s, sync call {ray_calls:,.0f} /s: ours is {calls / ray_calls:.1f} times"
                )
        finally:
            drop_link()


if __name__ == "__main__":
    main()
