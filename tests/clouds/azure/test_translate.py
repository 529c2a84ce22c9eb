"""Whatever Azure's libraries raise becomes one sentence of ours, or stays what it is: a mistake of our own."""

from __future__ import annotations

import pytest
from azure.core import exceptions
from azure.identity import CredentialUnavailableError

from clouds.azure.world import AzureWorld, StaticCredential
from clouds.conformance import refused, run
from clouds.fakes.journal import Fault
from tradewind.broker.clouds.azure import errors
from tradewind.broker.clouds.azure.provider import AzureProvider
from tradewind.broker.clouds.azure.session import Session, Settings
from tradewind.broker.clouds.azure.translate import of_body, translate


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (exceptions.ServiceRequestError("no route"), "UNREACHABLE", "transient"),
        (exceptions.ServiceResponseError("cut"), "UNREACHABLE", "transient"),
        (CredentialUnavailableError("Please run 'az login' to set up an account"), "NO_CREDENTIALS", "permission"),
        (
            exceptions.ClientAuthenticationError(
                "Authentication failed: AADSTS700024: Client assertion is not within its valid time range."
            ),
            "CLOCK_WRONG",
            "permission",
        ),
        (
            exceptions.ClientAuthenticationError(
                "The ID token already expires. Make sure your computer's time and time zone are both correct."
            ),
            "CLOCK_WRONG",
            "permission",
        ),
        (
            exceptions.ClientAuthenticationError("AADSTS7000222: the secret is expired"),
            "CREDENTIALS_REFUSED",
            "permission",
        ),
    ],
)
def test_known(error, code, kind) -> None:
    ours = translate(error)
    assert ours is not None
    assert ours.code == code
    assert errors.classify(ours, 0.0).kind == kind


def test_a_mistake_of_our_own_is_none_of_a_clouds() -> None:
    assert translate(KeyError("x")) is None


def test_the_innermost_known_code_says_most() -> None:
    body = {
        "code": "DeploymentFailed",
        "message": "see details",
        "details": [{"code": "AllocationFailed", "message": "full"}],
    }
    assert of_body(body, 409).code == "AllocationFailed"
    assert of_body(None, 429).code == "TooManyRequests"
    assert of_body({}, 418).code == "HTTP_418"


def test_an_answer_without_a_body(world: AzureWorld) -> None:
    async def scenario() -> None:
        world.cloud.journal.faults.append(Fault("Microsoft.Compute/skus/read", 403, "", "", times=1))
        error = await refused(world.provider().zones(world.request().offer))
        assert error.code == "AuthorizationFailed"

    run(scenario())


def test_nobody_answers_there() -> None:
    async def scenario() -> None:
        settings = Settings(subscription="s", endpoint="https://127.0.0.1:9", retry_first_s=0.01)
        provider = AzureProvider(Session(settings, credentials=StaticCredential()))
        error = await refused(provider.check())
        assert error.code == "UNREACHABLE"
        provider.close()

    run(scenario())
