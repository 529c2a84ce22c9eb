"""The command line's calls in Python: plan a task, launch it rehearsed, follow it, run more there, and leave nothing behind."""

from __future__ import annotations

import tradewind as tw


def main() -> None:
    task = tw.Task(
        "hello",
        run="echo rank $TRADEWIND_NODE_RANK of $TRADEWIND_NUM_NODES",
        num_nodes=2,
        resources=tw.Resources(cpus="2+", memory="4+", use_spot=True),
    )
    plan = tw.plan(task)
    chosen = plan.placements[0]
    print(
        f"cheapest: {chosen.num_nodes} x {chosen.instance_type} in {chosen.cloud}/{chosen.region}, {plan.hourly_usd:.4f} USD/h"
    )

    # Local processes stand in for the instances. Without rehearse it is bought, and max_hourly_usd or plan=plan says for how much at most.
    launched = tw.launch(task, "example", rehearse=True)
    try:
        for line in tw.logs(launched.cluster, launched.job_id):
            print(line, end="")
        more = tw.exec(launched.cluster, tw.Task(run="echo more work", resources=tw.Resources(cpus="2+")))
        job = tw.wait(more.cluster, more.job_id, timeout_s=60)
        print(f"job {job.id}: {job.state}")
    finally:
        tw.down(launched.cluster)
    print(f"{len(tw.status('example', all=True)[0].instances)} instances are left")


if __name__ == "__main__":
    main()
