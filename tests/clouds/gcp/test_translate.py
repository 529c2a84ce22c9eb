"""Whatever Google's libraries raise becomes one sentence of ours, or stays what it is: a mistake of our own."""

from __future__ import annotations

import email.utils
import time

import google.auth.exceptions
import pytest
import requests
from google.api_core import exceptions

from clouds.conformance import refused, run
from clouds.fakes.google_tokens import UNTIMELY
from clouds.fakes.journal import Fault
from clouds.gcp.world import GcpWorld
from tradewind.broker.clouds.gcp import errors
from tradewind.broker.clouds.gcp.translate import translate


def answered(*, ahead_s: float) -> requests.Response:
    """An answer of a server whose clock is ahead of ours."""
    answer = requests.Response()
    answer.headers["Date"] = email.utils.formatdate(time.time() + ahead_s, usegmt=True)
    return answer


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (exceptions.ServiceUnavailable("x"), "backendError", "transient"),
        (exceptions.TooManyRequests("x"), "rateLimitExceeded", "throttle"),
        (exceptions.Forbidden("x", errors=[{"reason": "quotaExceeded"}]), "quotaExceeded", "quota"),
        (exceptions.RetryError("late", exceptions.BadGateway("x")), "backendError", "transient"),
        (
            google.auth.exceptions.RefreshError("invalid_grant: Token has been expired"),
            "CREDENTIALS_REFUSED",
            "permission",
        ),
        (google.auth.exceptions.RefreshError(f"invalid_grant: {UNTIMELY}"), "CLOCK_WRONG", "permission"),
        (google.auth.exceptions.TransportError("no route"), "UNREACHABLE", "transient"),
        (google.auth.exceptions.DefaultCredentialsError("none"), "NO_CREDENTIALS", "permission"),
        (requests.exceptions.ConnectionError("refused"), "UNREACHABLE", "transient"),
        (requests.exceptions.ReadTimeout("slow"), "UNREACHABLE", "transient"),
    ],
)
def test_known(error, code, kind) -> None:
    ours = translate(error)
    assert ours is not None
    assert ours.code == code
    assert errors.classify(ours, 0.0).kind == kind


@pytest.mark.parametrize(
    ("kind_of_error", "ahead_s", "code"),
    [
        (exceptions.Unauthorized, -3600, "CLOCK_WRONG"),
        (exceptions.Unauthorized, 60, "authError"),
        (exceptions.NotFound, -3600, "notFound"),
    ],
)
def test_the_date_of_a_refused_login_tells_a_wrong_clock(kind_of_error, ahead_s, code) -> None:
    ours = translate(kind_of_error("x", response=answered(ahead_s=ahead_s)))
    assert ours is not None
    assert ours.code == code


def test_a_mistake_of_our_own_is_none_of_a_clouds() -> None:
    assert translate(KeyError("x")) is None


def test_a_proxy_that_answers_with_a_page(world: GcpWorld) -> None:
    async def scenario() -> None:
        world.cloud.journal.faults.append(Fault("compute.instances.insert", 502, "", times=1))
        provider = world.provider()
        error = await refused(provider.launch(world.request(), "t"))
        assert provider.classify(error).kind == "transient"
        await provider.sweep({"tradewind-cluster": "c1"})

    run(scenario())


def test_nobody_answers_there() -> None:
    from google.auth.credentials import AnonymousCredentials

    from tradewind.broker.clouds.gcp.provider import GcpProvider
    from tradewind.broker.clouds.gcp.session import Session, Settings

    async def scenario() -> None:
        settings = Settings(project="p", projects_endpoint="http://127.0.0.1:9", retry_first_s=0.01)
        provider = GcpProvider(Session(settings, credentials=AnonymousCredentials()))
        error = await refused(provider.check())
        assert error.code == "UNREACHABLE"
        provider.close()

    run(scenario())
