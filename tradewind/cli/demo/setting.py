"""The demo's own world: a private data directory and a daemon of its own, no cloud credential in sight, all gone at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Rehearsals ask no cloud for anything; this makes it impossible as well.
CREDENTIAL_PREFIXES = ("AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "ARM_", "LAMBDA_", "VAST_")


def without_credentials(environment: dict[str, str], nowhere: str) -> dict[str, str]:
    """The environment without any credential that clouds' SDKs find by variable, and with their files sought in `nowhere`."""
    kept = {name: value for name, value in environment.items() if not name.startswith(CREDENTIAL_PREFIXES)}
    return kept | {
        "AWS_SHARED_CREDENTIALS_FILE": os.path.join(nowhere, "aws-credentials"),
        "AWS_CONFIG_FILE": os.path.join(nowhere, "aws-config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CLOUDSDK_CONFIG": os.path.join(nowhere, "gcloud"),
        "AZURE_CONFIG_DIR": os.path.join(nowhere, "azure"),
    }


@contextmanager
def private_world(*, keep: bool = False) -> Iterator[str]:
    """A fresh data directory that this process and the daemon it starts use; removed at the end unless `keep`.

    The process's environment is as it was afterwards. Whoever starts a daemon in it stops it before the end.
    """
    before = dict(os.environ)
    directory = tempfile.mkdtemp(prefix="tradewind-demo-")
    os.environ.clear()
    os.environ.update(without_credentials(before, os.path.join(directory, "nowhere")), TRADEWIND_DATA_DIR=directory)
    try:
        yield directory
    finally:
        os.environ.clear()
        os.environ.update(before)
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def example() -> str | None:
    """The root of the checkout that holds examples/digits: the current directory, or where this package stands; None when neither."""
    package_root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    for root in (os.getcwd(), package_root):
        if os.path.isfile(os.path.join(root, "examples", "digits", "train.yaml")):
            return root
    return None
