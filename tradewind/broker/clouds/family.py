"""Which of a cloud's types share a quota with a type, as a pattern over their names."""

from __future__ import annotations

import re

# cloud -> what of a type's name tells its family, and how the pattern is made of it
_NAMES: dict[str, tuple[str, str]] = {
    "aws": (
        r"([^.]+)\..*",
        r"\1.*",
    ),  # m5.xlarge: m5.*  (docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html)
    # Standard_D8s_v5: Standard_D[0-9]*s_v5  (learn.microsoft.com/azure/virtual-machines/vm-naming-conventions)
    "azure": (r"([A-Za-z]+_[A-Z]+)\d+(?:-\d+)?(.*)", r"\1[0-9]*\2"),
    "gcp": (r"(tpu-[^-]+|[^-]+)-.*", r"\1-*"),  # n2-standard-8: n2-*  (cloud.google.com/compute/docs/machine-resource)
}


def family(cloud: str, instance_type: str) -> str:
    """A pattern, as `Place` takes it, that holds for the type and those of its family; the type itself where its name tells no family."""
    names, pattern = _NAMES.get(cloud, (".*", r"\g<0>"))
    found = re.fullmatch(names, instance_type)
    return found.expand(pattern) if found else instance_type
