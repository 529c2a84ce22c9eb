"""What Azure's libraries raise, as ProviderError. Imported only once they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azure.core import exceptions

from tradewind.broker.clouds import clock
from tradewind.broker.clouds.azure.errors import MEANINGS, refusal
from tradewind.broker.clouds.azure.session import LOGIN
from tradewind.broker.provider import ProviderError

# What a status means when the answer names no code: a proxy's page, a truncated body, a HEAD request.
_BY_STATUS = {
    400: "BadRequest",
    401: "AuthenticationFailed",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "ServiceUnavailable",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}

# What Entra ID says to a certificate's assertion that is not of its now (learn.microsoft.com/entra/identity-platform/reference-error-codes), and
# az to a token that is not of ours.
_CLOCK = r"AADSTS700024|computer's time and time zone are both correct"


def translate(error: BaseException) -> ProviderError | None:
    """The error as ours; None for one that is no cloud's but a mistake of our own."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, exceptions.ServiceRequestError | exceptions.ServiceResponseError):
        return refusal(
            "UNREACHABLE", f"Azure's servers could not be reached from here ({_short(error)}); check the network"
        )
    if isinstance(error, exceptions.HttpResponseError) and error.status_code is not None:
        inner = error.error
        body: dict[str, Any] = {"code": getattr(inner, "code", None), "message": getattr(inner, "message", None)}
        told = of_body(body, int(error.status_code))
        if why := _clock(error):
            return refusal(clock.CODE, f"{told.message} ({told.code}): {why}")
        return told
    if isinstance(error, exceptions.ClientAuthenticationError):
        if re.search(_CLOCK, str(error)):
            return refusal(clock.CODE, f"this machine's clock is wrong ({_short(error)})")
        if "az login" in str(error) or "Azure CLI not found" in str(error):
            return refusal("NO_CREDENTIALS", f"nobody is logged in to Azure here ({_short(error)}); run: {LOGIN}")
        return refusal("CREDENTIALS_REFUSED", f"Azure refused the credentials ({_short(error)}); run: {LOGIN}")
    if isinstance(error, exceptions.AzureError):
        return refusal("UNREACHABLE", f"the call to Azure failed ({_short(error)}); try again")
    return None


def of_body(body: Mapping[str, Any] | None, status: int) -> ProviderError:
    """The error that a body's `error` member or a failed operation tells; the innermost code that we know says most."""
    body = body or {}
    code, message = str(body.get("code") or ""), str(body.get("message") or "no reason was given")
    for detail in body.get("details") or ():
        if isinstance(detail, Mapping) and str(detail.get("code")) in MEANINGS:
            code, message = str(detail["code"]), str(detail.get("message") or message)
            break
    return refusal(code or _BY_STATUS.get(status, f"HTTP_{status}"), message)


def _clock(error: exceptions.HttpResponseError) -> str:
    """What is wrong with our clock where a login is refused for that; "" otherwise."""
    if error.status_code != 401:
        return ""
    return clock.wrong(getattr(error.response, "headers", {}).get("Date"), "Azure's")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
