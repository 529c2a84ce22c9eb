"""The tables, and the version of their shape."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

SCHEMA_VERSION = 6  # `migration.upgrade` brings older records here

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Integer, nullable=False))

clusters = Table(
    "clusters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("incarnation", Integer, nullable=False, default=0),
    Column("bootstrap_failures", Integer, nullable=False, default=0),
    Column("missing", Integer, nullable=False, default=0),  # nodes that an elastic gang goes on without
    Column("managed_job_id", Integer),
    Column("rehearse", Integer, nullable=False, default=0),
    Column("task", Text, nullable=False),
    Column(
        "candidates", Text, nullable=False
    ),  # what failover tries, in order, as the plan ranked it; large, read when needed
    Column("place", Text, nullable=False),  # the candidate in use, or to be tried first
    Column("options", Text, nullable=False, default="{}"),
    Column("hourly_usd", Text, nullable=False, default="0"),  # of the candidate in use, all nodes, frozen
    Column("created_unix", Float, nullable=False),
    Column("ended_unix", Float),
    Column("why", Text, nullable=False, default=""),
    Column("waiting_for", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)
Index("clusters_by_name", clusters.c.name, clusters.c.id)
Index("clusters_by_state", clusters.c.state)

instances = Table(
    "instances",
    metadata,
    Column("id", Text, primary_key=True),
    Column("cluster_id", Integer, ForeignKey("clusters.id"), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("token", Text, nullable=False, unique=True),
    Column("tags", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_id", Text, nullable=False, default=""),
    Column("address", Text, nullable=False, default=""),
    Column("offer", Text, nullable=False),
    Column("use_spot", Integer, nullable=False),
    Column("price_usd_h", Text, nullable=False),  # decimal text: exact, and frozen at launch
    Column("state", Text, nullable=False),  # INTENT, RUNNING, ENDING, ENDED
    Column("lease_until_unix", Float, nullable=False),
    Column("agent_seq", Integer, nullable=False, default=0),  # newest agent event whose consequences are in this record
    Column("created_unix", Float, nullable=False),
    Column("launched_unix", Float),
    Column("ended_unix", Float),
    Column("reason", Text, nullable=False, default=""),
)
Index("instances_by_cluster", instances.c.cluster_id, instances.c.tries)
Index("instances_by_state", instances.c.state)

jobs = Table(
    "jobs",
    metadata,
    Column("cluster_id", Integer, ForeignKey("clusters.id"), primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, default=""),
    Column("state", Text, nullable=False),
    Column("machine", Text, nullable=False),  # the whole ClusterJob value
    Column("task", Text, nullable=False),
    Column("checkpoint_uri", Text, nullable=False, default=""),
    Column("managed_job_id", Integer),
    Column("attempt", Integer, nullable=False, default=0),
    Column("created_unix", Float, nullable=False),
    Column("started_unix", Float),
    Column("ended_unix", Float),
    Column("why", Text, nullable=False, default=""),
)
Index("jobs_by_state", jobs.c.state)
Index("jobs_by_managed", jobs.c.managed_job_id)

managed_jobs = Table(
    "managed_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("recoveries", Integer, nullable=False, default=0),
    Column("cluster_id", Integer),
    Column("successor_id", Integer),  # the cluster that it moves to
    Column("strategy", Text, nullable=False, default="eager"),
    Column("task", Text, nullable=False),
    Column(
        "plan", Text, nullable=False
    ),  # the newest one; large, read when needed; "" for one of an array: its array's
    Column("hourly_usd", Float, nullable=False),  # of that plan
    Column("options", Text, nullable=False, default="{}"),
    Column("client_key", Text, unique=True),
    Column("checkpoint_uri", Text, nullable=False, default=""),
    Column("created_unix", Float, nullable=False),
    Column("started_unix", Float),
    Column("ended_unix", Float),
    Column("why", Text, nullable=False, default=""),
    Column("waiting_for", Text, nullable=False, default=""),
    Column("course", Text, nullable=False, default="{}"),  # the machine's Course
    Column("rehearse", Integer, nullable=False, default=0),
    Column("priority", Integer, nullable=False, default=0),
    Column("not_before_unix", Float),
    Column("array_id", Integer),
    Column("array_index", Integer),
    Column("budget_usd", Float),
    Column("warned", Integer, nullable=False, default=0),  # that its budget is nearly spent
    Column("share", Text, nullable=False, default=""),  # who it is for: the queue is fair between shares
    Column("waits_on", Integer, nullable=False, default=0),  # jobs of its graph that must have succeeded before
    sqlite_autoincrement=True,
)
Index("managed_jobs_by_state", managed_jobs.c.state)
Index("managed_jobs_queue", managed_jobs.c.state, managed_jobs.c.priority.desc(), managed_jobs.c.id)
Index("managed_jobs_load", managed_jobs.c.state, managed_jobs.c.rehearse, managed_jobs.c.hourly_usd)
Index("managed_jobs_by_array", managed_jobs.c.array_id, managed_jobs.c.state)
Index("managed_jobs_by_name", managed_jobs.c.name, managed_jobs.c.id)

arrays = Table(
    "arrays",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("max_active", Integer),
    Column(
        "kind", Text, nullable=False, default="array"
    ),  # or "graph": its jobs are tasks of their own, some after others
    Column("plan", Text, nullable=False),  # that of every job in it, as submitted
    Column("client_key", Text, unique=True),
    Column("created_unix", Float, nullable=False),
    sqlite_autoincrement=True,
)

dependencies = Table(
    "dependencies",
    metadata,
    Column("child", Integer, ForeignKey("managed_jobs.id"), primary_key=True),
    Column("parent", Integer, ForeignKey("managed_jobs.id"), primary_key=True),
)
Index("dependencies_by_parent", dependencies.c.parent)

secrets = Table(
    "secrets",
    metadata,
    Column("managed_job_id", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # under the key that lies outside this file
)

cluster_secrets = Table(  # of jobs on clusters that no managed job owns; gone with their cluster
    "cluster_secrets",
    metadata,
    Column("cluster_id", Integer, primary_key=True),
    Column("job_id", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("managed_job_id", Integer, ForeignKey("managed_jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("cluster_id", Integer, nullable=False),
    Column("job_id", Integer, nullable=False),
    Column("place", Text, nullable=False),
    Column("hourly_usd", Text, nullable=False),
    Column("started_unix", Float, nullable=False),
    Column("ended_unix", Float),
    Column("end", Text, nullable=False, default=""),
    Column("why", Text, nullable=False, default=""),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("cluster_id", Integer),
    Column("managed_job_id", Integer),
    Column("unix", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("data", Text, nullable=False, default="{}"),
    sqlite_autoincrement=True,
)
Index("events_by_subject", events.c.subject, events.c.seq)
Index("events_by_cluster", events.c.cluster_id, events.c.seq)
Index("events_by_managed_job", events.c.managed_job_id, events.c.seq)

blocks = Table(
    "blocks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cluster_id", Integer),  # of a rehearsal, which learns nothing about the world; NULL: it holds for everyone
    Column("cloud", Text, nullable=False),
    Column("region", Text, nullable=False, default=""),
    Column("zone", Text, nullable=False, default=""),
    Column("instance_type", Text, nullable=False, default=""),
    Column("use_spot", Integer),
    Column("kind", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("created_unix", Float, nullable=False),
    Column("until_unix", Float, nullable=False),
)
Index("blocks_by_until", blocks.c.cluster_id, blocks.c.until_unix)
