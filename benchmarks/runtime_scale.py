"""How the runtime's decisions scale: the real lease book and control store over 10 to 10,000 nodes that exist only in their books.

Prints, for each size: leases decided a second and their slowest, actors placed a second and their slowest, and what it costs to tell every
node of every other. The same code runs in node daemons and the head.
"""

import argparse
import subprocess
import sys
import time

from tradewind.runtime import wire
from tradewind.runtime.head.control_store import ControlStore
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import ActorSpec, NodeView
from tradewind.runtime.messages.values import Shape
from tradewind.runtime.node.bundles import BundledPool
from tradewind.runtime.node.leases import AskThere, GrantHere, LeaseBook

CPUS = 16.0


def views(count):
    """So many nodes with everything free."""
    return [
        NodeView(f"{number:016x}", f"10.0.{number >> 8}.{number & 255}", "10.0.0.1:40000", {"CPU": CPUS, "memory": 6.4e10}, {"CPU": CPUS, "memory": 6.4e10}, {})
        for number in range(count)
    ]  # fmt: skip


def percentile(times, share):
    """The time that this share of them does not exceed."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def leases(count, strategy, decisions):
    """(decisions a second, 99th percentile in ms): one node's book with all the others in view."""
    nodes = views(count)
    book = LeaseBook(nodes[0].node, BundledPool({"CPU": CPUS, "memory": 6.4e10}))
    book.see(nodes)
    times = []
    decided = 0
    for number in range(decisions):
        begin = time.perf_counter()
        book.want("p", number, Shape({"CPU": 1.0}, strategy), 1, 1)
        made = book.decide()
        times.append(time.perf_counter() - begin)
        decided += len(made)
        for decision in made:
            if isinstance(decision, GrantHere):
                book.pool.release(decision.allocation)
            elif isinstance(decision, AskThere):
                book.answered("p", number, decision.node, granted=True)
        if not made:
            book.see(nodes)
    return decided / sum(times), percentile(times, 0.99) * 1e3


def actors(count, placed):
    """(actors placed a second, 99th percentile in ms) at the head."""
    store = ControlStore(lambda _node, _message: None, lambda *_: None, publishes_itself=False)
    for view in views(count):
        store.join(cluster.Join(0, b"", view))
    times = []
    for number in range(placed):
        spec = ActorSpec(f"a{number}", "C", b"", b"", [], Shape({"CPU": 1.0}), {"CPU": 1.0}, "", "job", detached=True)
        begin = time.perf_counter()
        store.question("n", cluster.Question("n/1", 0, cluster.CreateActor(spec)))
        times.append(time.perf_counter() - begin)
    return placed / sum(times), percentile(times, 0.99) * 1e3


def telling(count):
    """(ms to encode the view for all, MB that go out, ms for a node to take it in)."""
    message = cluster.View(views(count))
    begin = time.perf_counter()
    frame = wire.encode((message,))
    encoded = time.perf_counter()
    (decoded,) = wire.FrameReader(cluster.FromHead).feed(bytes(frame))
    book = LeaseBook("here", BundledPool({"CPU": CPUS}))
    book.see(decoded.nodes)
    return (encoded - begin) * 1e3, len(frame) * count / 1e6, (time.perf_counter() - encoded) * 1e3


QUEUE = """
import resource, time
import tradewind.runtime as ray
ray.init(num_cpus=1)

@ray.remote
def hold():
    time.sleep(1000)

@ray.remote
def nothing(number):
    pass

held = hold.remote()
refs = [nothing.remote(number) for number in range(1000)]
def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, begin = rss(), time.perf_counter()
refs += [nothing.remote(number) for number in range({count})]
took = time.perf_counter() - begin
print((rss() - before) / {count}, {count} / took)
ray.cancel(held, force=True)
begin = time.perf_counter()
ray.get(refs)
print({count} / (time.perf_counter() - begin))
"""


def queued(count):
    """(bytes a queued task, submitted a second, then run a second): one driver, one worker that is busy meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", QUEUE.replace("{count}", str(count))], capture_output=True, text=True, timeout=120, check=True
    )  # fmt: skip
    first, second = done.stdout.split("\n")[:2]
    return (*(float(word) for word in first.split()), float(second))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="10,000 nodes too")
    parser.add_argument("--tasks", type=int, default=100_000)
    options = parser.parse_args()
    print(f"{'nodes':>7} {'leases/s':>10} {'p99 ms':>8} {'SPREAD/s':>10} {'p99 ms':>8} {'actors/s':>10} {'p99 ms':>8} {'view: encode ms':>16} {'MB to all':>10} {'taken in ms':>12}")  # fmt: skip
    for count in (10, 100, 1_000, *([10_000] if options.long else [])):
        rounds = max(50, min(2_000, 200_000 // count))
        near, spread, made, told = leases(count, "DEFAULT", rounds), leases(count, "SPREAD", rounds), actors(count, rounds), telling(count)  # fmt: skip
        print(f"{count:7,} {near[0]:10,.0f} {near[1]:8.2f} {spread[0]:10,.0f} {spread[1]:8.2f} {made[0]:10,.0f} {made[1]:8.2f} {told[0]:16.2f} {told[1]:10.1f} {told[2]:12.2f}")  # fmt: skip
    each, submitted, ran = queued(options.tasks)
    print(
        f"{options.tasks:,} tasks queued at one driver: {each:,.0f} bytes each, {submitted:,.0f}/s submitted, {ran:,.0f}/s run afterwards"
    )


if __name__ == "__main__":
    main()
