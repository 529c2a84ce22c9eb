"""`tradewind exec CLUSTER FILE`, or a command."""

from __future__ import annotations

from typing import Any

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json
from tradewind.cli.overrides import read, task_flags


@click.command(name="exec")
@click.argument("cluster", required=False)
@options.task_words
@click.option("-c", "--cluster", "named", metavar="NAME", help="The cluster, where it is not the first word.")
@click.option("-n", "--name", help="The job's name; the task's if not given.")
@task_flags
@options.secrets
@options.secret_files
@options.detach
@options.accepted_json
def exec_(
    cluster: str | None, words: tuple[str, ...], named: str | None, name: str | None, flags: dict[str, Any],
    secrets: tuple[str, ...], secret_files: tuple[str, ...], *, detach: bool, as_json: bool,
) -> int:  # fmt: skip
    """Run a task's `run` on a cluster that is up, without its setup, and follow the output.

    The task is a task file, or a command: `tradewind exec tea 'nvidia-smi'`; options of the command itself stand behind `--`.
    """
    from tradewind.cli import daemon, jobs, submission
    from tradewind.cli.follow import copy_logs, detaching, files_of, watched
    from tradewind.spec import task_to_dict

    if named is not None:
        words = words if cluster is None else (cluster, *words)
        cluster = named
    if cluster is None or not words:
        raise click.UsageError("name the cluster, then a task file or a command: `tradewind exec CLUSTER FILE`.")
    given = submission.secret_values(secrets, secret_files, words)
    task = read(words, {**flags, "name": name, "secrets": tuple(given)}, "exec")
    given = submission.with_environment(task.secrets, given)
    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(cluster)
    body = {"task": task_to_dict(task), "secrets": given}
    job_id = int(api.post(f"{daemon.cluster_resource(cluster)}/exec", body)["job_id"])
    back = f"tradewind logs {cluster} {job_id}"
    if as_json:
        print_json({"cluster": cluster, "job_id": job_id})
        return exits.OK
    if detach:
        print(f"{cluster}: accepted as job {job_id}; follow it with `{back}`.")
        return exits.OK
    with detaching(back), files_of(api, cluster, job_id, out=watched()) as hush:
        copy_logs(api, jobs.log_path(cluster, job_id, follow=True), hush=hush)
    return jobs.verdict(api, cluster, job_id)
