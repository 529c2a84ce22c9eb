"""A container of Blob Storage as a place for checkpoints: what adlfs is given to log in with, and what a person does about its refusals."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any
from urllib.parse import urlsplit

from tradewind.broker.clouds.azure.session import LOGIN, Found, find, load_credentials
from tradewind.broker.clouds.vendor_session import translated

# What a person has set for storage alone comes first; adlfs reads it.
_OF_STORAGE = (
    "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CLIENT_ID",
)  # fmt: skip
_SCOPE = "https://storage.azure.com/.default"
_ACCOUNT = "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH"
_ROLE = '--role "Storage Blob Data Contributor"'


def login(uri: str) -> dict[str, Any]:
    """The options of adlfs for the login that az leaves here, and where the URI names no account that of az; without a login adlfs asks the machine's
    own identity.

    Raises:
        ProviderError: the login cannot be used. Found out here, at once, where adlfs would try it for more than a minute.
    """
    options: dict[str, Any] = {}
    account = os.environ.get("AZURE_STORAGE_ACCOUNT")  # as az has it; AZURE_STORAGE_ACCOUNT_NAME adlfs reads itself
    if account and not urlsplit(uri).username and "AZURE_STORAGE_ACCOUNT_NAME" not in os.environ:
        options["account_name"] = account
    found = find()
    if found.source and not any(os.environ.get(name) for name in _OF_STORAGE):
        _try(found)
        from azure.identity import aio

        options["credential"] = aio.AzureCliCredential() if found.source == "az" else aio.EnvironmentCredential()
    return options


def mend(uri: str, said: str) -> str:
    """What to do about the refusal; "" where its own words say all."""
    parts = urlsplit(uri)
    if "Must provide either a connection_string or account_name" in said:
        return f"name the account: {_ACCOUNT}, or set AZURE_STORAGE_ACCOUNT"
    if re.search(r"ContainerNotFound|container does not exist", said):
        container = parts.username or parts.netloc
        return f"make it first: az storage container create --auth-mode login --name {container}"
    if re.search(r"AuthorizationPermissionMismatch|AuthorizationFailure|\b403\b", said):
        return f"let the login write there: az role assignment create --assignee YOU {_ROLE} --scope THE_ACCOUNT'S_ID"
    if re.search(r"az login|failed to retrieve a token|NoAuthenticationInformation|AADSTS|\b401\b", said):
        return f"log in: {LOGIN}"
    return ""


def _try(found: Found) -> None:
    credentials = load_credentials(found)
    from tradewind.broker.clouds.azure.translate import translate

    with contextlib.closing(credentials):
        translated(lambda: credentials.get_token(_SCOPE), translate)
