"""What Google says of the tokens that a service account's key signs, by Google's own clock: for an API itself, or for another token.

Sources: developers.google.com/identity/protocols/oauth2/service-account ("JWT error codes", and that a claim lives an hour at most);
google.api.ErrorReason (ACCESS_TOKEN_EXPIRED).
"""

from __future__ import annotations

import base64
import json

from clouds.fakes.google_errors import refused
from clouds.fakes.wire import Answer, Request

LEEWAY_S = 300.0
INVALID = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
UNTIMELY = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


def refusal(request: Request, now_unix: float) -> Answer | None:
    """The refusal of a call whose bearer is a signed token of another time; None for every other call."""
    claims = _claims(request.headers.get("authorization", "").removeprefix("Bearer "))
    if claims is None:
        return None
    if claims["exp"] <= now_unix:
        return refused(401, "authError", INVALID, detail="ACCESS_TOKEN_EXPIRED")
    return refused(401, "authError", INVALID) if claims["iat"] > now_unix + LEEWAY_S else None


def exchanged(form: dict[str, str], now_unix: float) -> Answer:
    """The token for an assertion, or for whatever else is brought."""
    claims = _claims(form.get("assertion", ""))
    if claims is not None and not claims["iat"] - LEEWAY_S <= now_unix < claims["exp"]:
        return Answer(400, {"error": "invalid_grant", "error_description": UNTIMELY})
    return Answer(body={"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})


def _claims(token: str) -> dict[str, float] | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    found: dict[str, float] = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return found
