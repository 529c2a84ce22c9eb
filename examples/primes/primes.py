"""The sum of all primes below a limit, eight times over: one after the other, then with a decorated function and eight futures.

python examples/primes/primes.py [--limit 10000000] [--cpus 2]
"""

import argparse
import time

from tradewind import runtime

TIMES = 8


def sum_of_primes(limit: int) -> int:
    """The sum of all primes below limit, by plain trial division with odd numbers."""
    total = 2 if limit > 2 else 0
    for candidate in range(3, limit, 2):
        divisor = 3
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 2
        else:
            total += candidate
    return total


def sieve(limit: int) -> int:
    """The same sum by another way, to check the answer with."""
    flags = bytearray([1]) * max(limit, 2)
    flags[0:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if flags[number]:
            flags[number * number :: number] = bytes(len(range(number * number, len(flags), number)))
    return sum(number for number, flag in enumerate(flags) if flag)


remote_sum = runtime.remote(sum_of_primes)  # the same as @runtime.remote above the function


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--limit", type=int, default=1_000_000, help="primes below this number are summed (default 1,000,000)"
    )
    parser.add_argument("--cpus", type=int, default=None, help="workers to use (default: as many as this machine has)")
    arguments = parser.parse_args()
    limit = arguments.limit

    begin = time.perf_counter()
    alone = [sum_of_primes(limit) for _ in range(TIMES)]
    sequential_s = time.perf_counter() - begin
    print(f"sequential   sum of the primes below {limit:,}: {alone[0]:,}   {TIMES} times in {sequential_s:.2f} s")

    with runtime.init(num_cpus=arguments.cpus):
        runtime.get(remote_sum.remote(10))  # the workers are up before the clock starts
        begin = time.perf_counter()
        together = runtime.get([remote_sum.remote(limit) for _ in range(TIMES)])
        parallel_s = time.perf_counter() - begin
        cpus = runtime.cluster_resources()["CPU"]
    print(f"distributed  sum of the primes below {limit:,}: {together[0]:,}   {TIMES} times in {parallel_s:.2f} s")

    right = sieve(limit)
    if {*alone, *together} != {right}:
        raise SystemExit(f"The sums differ: {alone} sequentially, {together} distributed; the right one is {right}.")
    print(f"both are right; {sequential_s / parallel_s:.2f} times as fast on {cpus:g} CPUs")


if __name__ == "__main__":
    main()
