"""What Google's libraries raise, as ProviderError. Imported only once they are."""

from __future__ import annotations

import re
from typing import Any

import google.auth.exceptions
import requests.exceptions
from google.api_core import exceptions

from tradewind.broker.clouds import clock
from tradewind.broker.clouds.gcp.errors import refusal
from tradewind.broker.clouds.gcp.session import LOGIN
from tradewind.broker.provider import ProviderError

# google.rpc.Code by number, for Cloud TPU's operations (cloud.google.com/apis/design/errors).
RPC_CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    "UNAUTHENTICATED",
)  # fmt: skip

# What a status means when the answer names no reason: a proxy's page, a truncated body.
_BY_STATUS = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "alreadyExists",
    429: "rateLimitExceeded",
    500: "internalError",
    502: "backendError",
    503: "backendError",
    504: "backendError",
}


def translate(error: BaseException) -> ProviderError | None:
    """The error as ours; None for one that is no cloud's but a mistake of our own."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, exceptions.RetryError) and error.cause is not None:
        return translate(error.cause)
    if isinstance(error, exceptions.GoogleAPICallError):
        if why := _clock(error):
            return refusal(clock.CODE, f"{_message(error)} ({_code(error)}): {why}")
        return refusal(_code(error), _message(error))
    if isinstance(error, google.auth.exceptions.TransportError | requests.exceptions.ConnectionError):
        return refusal(
            "UNREACHABLE", f"Google's servers could not be reached from here ({_short(error)}); check the network"
        )
    if isinstance(error, requests.exceptions.Timeout):
        return refusal("UNREACHABLE", "Google's servers did not answer in time; check the network")
    if isinstance(error, google.auth.exceptions.RefreshError):
        # developers.google.com/identity/protocols/oauth2/service-account, "JWT error codes": iat and exp of what we signed are not near Google's now
        if re.search(r"Invalid JWT.*reasonable timeframe", _short(error)):
            return refusal(clock.CODE, f"this machine's clock is wrong ({_short(error)})")
        return refusal("CREDENTIALS_REFUSED", f"the credentials are expired or revoked ({_short(error)}); run: {LOGIN}")
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return refusal("NO_CREDENTIALS", f"the credentials cannot be used ({_short(error)}); run: {LOGIN}")
    return None


def of_operation(operation: Any) -> ProviderError | None:
    """Why a finished Compute Engine operation failed; None if it did not."""
    errors = list(operation.error.errors) if operation.error else []
    if not errors:
        return None
    return refusal(
        errors[0].code or f"HTTP_{operation.http_error_status_code}", errors[0].message or operation.http_error_message
    )


def of_long_running(operation: Any) -> ProviderError | None:
    """Why a finished Cloud TPU operation failed; None if it did not."""
    if not operation.HasField("error"):
        return None
    code = operation.error.code
    return refusal(RPC_CODES[code] if 0 <= code < len(RPC_CODES) else f"RPC_{code}", operation.error.message)


def _code(error: exceptions.GoogleAPICallError) -> str:
    """The most exact name that the answer gives: the reason in its details or errors, then what its status means."""
    reason = getattr(error, "reason", None)
    if reason:
        return str(reason)
    for entry in error.errors or ():
        if isinstance(entry, dict) and entry.get("reason"):
            return str(entry["reason"])
    status = int(error.code or 0)
    return _BY_STATUS.get(status, f"HTTP_{status}")


def _clock(error: exceptions.GoogleAPICallError) -> str:
    """What is wrong with our clock where a login is refused for that; "" otherwise."""
    if int(error.code or 0) != 401:
        return ""
    return clock.wrong(getattr(error.response, "headers", {}).get("Date"), "Google's")


def _message(error: exceptions.GoogleAPICallError) -> str:
    """The answer's text without the call and address that the library puts before it."""
    return re.sub(r"\A[A-Z]+ https?://\S+ ?:? ?", "", str(error.message)) or "no reason was given"


def _short(error: BaseException) -> str:
    text = " ".join(str(error.args[0] if error.args else error).split())
    return text[:200]
