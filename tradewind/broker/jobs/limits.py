"""A person's limits for everything this data directory runs, from `limits.yaml` in it: read anew whenever the file has changed."""

from __future__ import annotations

import os

import msgspec

from tradewind.broker.persons_file import PersonsFile
from tradewind.spec.placing import Placing

FILE_NAME = "limits.yaml"
MAX_ACTIVE = 64  # gangs that one daemon brings up or keeps at a time, until a person's limits say otherwise


class LimitsError(ValueError):
    """`limits.yaml` cannot be used; one sentence."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`max_active_jobs` managed jobs have machines at a time, costing `max_hourly_cost` (USD/hour) at most together; None: no cap.

    `budget` (USD) is for all managed jobs ever: at 80 % it is warned, from 100 % nothing new starts and what runs is ended. Rehearsals are
    held to the same limits, counted apart from real money. `placement` holds for everything that is planned here, as if it stood in every task.
    """

    max_active_jobs: int = MAX_ACTIVE
    max_hourly_cost: float | None = None
    budget: float | None = None
    placement: Placing = Placing()


def parse_limits(text: str, path: str = FILE_NAME) -> Limits:
    """The limits that the YAML says.

    Raises:
        LimitsError: it is no map of these three to positive numbers.
    """
    import yaml

    try:
        found = msgspec.convert(yaml.safe_load(text) or {}, Limits)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        said = str(error).replace("\n", " ")
        raise LimitsError(
            f"{path}: {said}; it may hold max_active_jobs, max_hourly_cost (USD/hour), budget (USD) and placement"
        ) from error
    for name in Limits.__struct_fields__:
        value = getattr(found, name)
        if name != "placement" and value is not None and not 0 < value < float("inf"):
            raise LimitsError(f"{path}: {name} must be a number above 0, not {value}")
    return found


class LimitsFile(PersonsFile[Limits]):
    """The file as it stands now. Reading raises LimitsError: nothing new may start under limits that are not understood."""

    def __init__(self, data_dir: str) -> None:
        super().__init__(os.path.join(data_dir, FILE_NAME), parse_limits, Limits())
