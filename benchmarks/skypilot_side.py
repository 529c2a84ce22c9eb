"""What runs under SkyPilot's own interpreter for `optimizer_peer.py`: requests as JSON in, its choices, prices and seconds out.

Its check of credentials and its mapping of zones to an account are answered for it; its optimizer, its catalog reader and its prices are its own.
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import sky  # noqa: E402  the warnings of its imports are silenced first
from sky import check, clouds, optimizer  # noqa: E402
from sky.catalog import aws_catalog  # noqa: E402

aws_catalog._get_df = aws_catalog._default_df._load_df
there = [clouds.AWS(), clouds.Azure(), clouds.GCP()]
check.get_cached_enabled_clouds_or_refresh = lambda *_args, **_kwargs: there


def resources(asked):
    return {
        sky.Resources(cpus=asked["cpus"], memory=asked["memory"], accelerators=accelerators, use_spot=asked["spot"])
        for accelerators in (asked["accelerators"] or [None])
    }


def once(tasks, edges):
    """The seconds that the optimizer took, and each task's choice."""
    with sky.Dag() as dag:
        made = []
        for asked in tasks:
            task = sky.Task(run="true")
            task.set_resources(resources(asked))
            task.set_time_estimator(lambda _resources: 3600)
            made.append(task)
        for source, target, gigabytes in edges:
            made[source].set_outputs("s3://between", estimated_size_gigabytes=gigabytes)
            made[target].set_inputs("s3://between", estimated_size_gigabytes=gigabytes)
            made[source] >> made[target]
    began = time.perf_counter()
    optimizer.Optimizer.optimize(dag, quiet=True)
    return time.perf_counter() - began, [task.best_resources for task in made]


def answer(question):
    try:
        once(question["tasks"], question["edges"])
        runs = [once(question["tasks"], question["edges"]) for _ in range(question["times"])]
        chosen = runs[0][1]
        return {
            "seconds": sorted(seconds for seconds, _ in runs)[len(runs) // 2],
            "usd_h": sum(one.get_cost(3600) for one in chosen),
            "chosen": [(str(one.cloud).lower(), one.instance_type, one.region) for one in chosen],
        }
    except Exception as err:
        return {"why": " ".join(f"{type(err).__name__}: {err}".split())[:200]}


print("ROWS" + json.dumps([answer(question) for question in json.loads(sys.stdin.read())]))
