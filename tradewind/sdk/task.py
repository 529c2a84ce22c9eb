"""Tasks and resources written in Python: the task file's fields as arguments, read by the same reader."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tradewind.sdk.resources import Resources, plain
from tradewind.spec import Overrides, SpecError, load_task, normal_form, parse_task
from tradewind.spec import Task as SpecTask

SOURCE = "tw.Task"


class Task:
    """One unit of work: shell (`setup`, then `run`) on `num_nodes` equal nodes that match `resources`. Immutable, and valid once made.

    Raises:
        SpecError: a field is wrong; it names the field, and the nearest valid spelling.
    """

    __slots__ = ("spec",)

    spec: SpecTask
    """The task as the planner and the daemon read it."""

    def __init__(
        self,
        name: str | None = None,
        *,
        run: str | None = None,
        setup: str | None = None,
        resources: Resources | None = None,
        num_nodes: int = 1,
        workdir: str | os.PathLike[str] | Mapping[str, str] | None = None,
        envs: Mapping[str, object] | None = None,
        secrets: Sequence[str] | None = None,
        file_mounts: Mapping[str, str | os.PathLike[str]] | None = None,
        run_on: Literal["all", "head"] | None = None,
        budget: float | str | None = None,
        deadline: float | str | None = None,
        estimates: Mapping[str, float | str] | None = None,
        placement: Mapping[str, Any] | None = None,
        inputs: Mapping[str, float] | None = None,
        outputs: Mapping[str, float] | None = None,
        checkpoint: str | Mapping[str, Any] | None = None,
        share: str | None = None,
        elastic: bool | None = None,
        engine: str | None = None,
        volumes: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        depends_on: str | Sequence[str] | None = None,
    ) -> None:
        """Make a task. Relative paths count from the current directory, `workdir` may be a repository (`{"url": ..., "ref": ...}`); `budget` is USD for a managed job in all; `secrets` are names only.

        The fields are the task file's; what is valid and not built yet is refused when the task is planned or launched.
        """
        fields: dict[str, Any] = {
            "name": name,
            "workdir": os.fspath(workdir) if isinstance(workdir, str | os.PathLike) else workdir,
            "num_nodes": num_nodes,
            "resources": None if resources is None else resources.fields(),
            "envs": None if envs is None else dict(envs),
            "secrets": None if secrets is None else dict.fromkeys(secrets),
            "file_mounts": None if file_mounts is None else {k: os.fspath(v) for k, v in file_mounts.items()},
            "setup": setup,
            "run": run,
            "run_on": run_on,
            "budget": budget,
            "deadline": deadline,
            "estimates": None if estimates is None else dict(estimates),
            "placement": None if placement is None else plain(placement),
            "inputs": None if inputs is None else dict(inputs),
            "outputs": None if outputs is None else dict(outputs),
            "checkpoint": checkpoint,
            "share": share,
            "elastic": elastic,
            "engine": engine,
            "volumes": volumes,
            "config": config,
            "depends_on": depends_on if depends_on is None or isinstance(depends_on, str) else list(depends_on),
        }
        object.__setattr__(self, "spec", _read(fields))

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str], *, overrides: Overrides | None = None) -> Task:
        """The task in the file, with `overrides` applied as the command line applies its flags. Relative paths count from the current directory.

        Raises:
            SpecError: the file is missing or wrong; file, line and field are named.
        """
        return cls.from_spec(load_task(os.fspath(path), overrides=overrides))

    @classmethod
    def from_spec(cls, spec: SpecTask) -> Task:
        """The task around a value that has been read already."""
        made = object.__new__(cls)
        object.__setattr__(made, "spec", spec)
        return made

    @property
    def name(self) -> str | None:
        """Its name, None if it has none."""
        return self.spec.name

    @property
    def num_nodes(self) -> int:
        """How many equal nodes."""
        return self.spec.num_nodes

    def to_dict(self) -> dict[str, Any]:
        """The normal form: what `tradewind validate --json` prints, and what a task file may hold."""
        return normal_form(self.spec)

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"a Task does not change; make another one to have a different {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash((self.spec.name, self.spec.run, self.spec.num_nodes))

    def __repr__(self) -> str:
        return f"Task({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Task.from_spec, (self.spec,)


def spec_of(task: Task | SpecTask | str | os.PathLike[str]) -> SpecTask:
    """The task's value, of a task or of the path of a task file. Raises SpecError."""
    if isinstance(task, Task):
        return task.spec
    return task if isinstance(task, SpecTask) else load_task(os.fspath(task))


AnyTask = Task | SpecTask | str | os.PathLike[str]


def _read(fields: dict[str, Any]) -> SpecTask:
    import yaml

    given = {name: plain(value) for name, value in fields.items() if value is not None}
    try:
        # By way of text, so that there is one reader: what a file may not say, a program may not either.
        text = yaml.safe_dump(given, allow_unicode=True, sort_keys=False)
    except yaml.YAMLError as error:
        raise SpecError(SOURCE, 0, 0, "", f"holds a value that no task file can: {error}") from error
    try:
        task = parse_task(text, SOURCE, os.getcwd())
    except SpecError as error:
        # The text's lines are nobody's business.
        raise SpecError(SOURCE, 0, 0, error.field, error.message, error.suggestion) from None
    return msgspec.structs.replace(task, source=None)
