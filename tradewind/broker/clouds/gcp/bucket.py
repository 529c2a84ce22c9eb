"""A bucket of Cloud Storage as a place for checkpoints: what gcsfs is given to log in with, and what a person does about its refusals."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from tradewind.broker.clouds.gcp.session import LOGIN, Found, find, load_credentials
from tradewind.broker.clouds.vendor_session import translated

_ROLE = "--member=user:YOU --role=roles/storage.objectUser"


def login(_uri: str) -> dict[str, Any]:
    """The options of gcsfs for the login that gcloud leaves here; {} without one: gcsfs then asks the metadata server that machines at Google have.

    Raises:
        ProviderError: the login cannot be used. Found out here, at once, where gcsfs would try a refused one for a minute.
    """
    found = find()
    return {"token": _fresh(found)} if found.file else {}


def mend(uri: str, said: str) -> str:
    """What to do about the refusal; "" where its own words say all."""
    bucket = f"gs://{urlsplit(uri).netloc}"
    if re.search(r"Anonymous caller|\b401\b", said):
        return f"log in: {LOGIN}"
    if re.search(r"Forbidden|\b403\b", said):
        return f"let the login write there: gcloud storage buckets add-iam-policy-binding {bucket} {_ROLE}"
    if re.search(r"bucket does not exist|\b404\b", said):
        return f"make it first: gcloud storage buckets create {bucket}"
    return ""


def _fresh(found: Found) -> Any:
    credentials = load_credentials(found)
    from google.auth.transport.requests import Request

    from tradewind.broker.clouds.gcp.translate import translate

    translated(lambda: credentials.refresh(Request()), translate)
    return credentials
