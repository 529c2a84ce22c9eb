"""The table of codes: what each covers, where it stands written, and that state reasons and the SDK's exceptions find their row."""

from __future__ import annotations

import botocore.exceptions as sdk
import pytest

from clouds.error_tables import ErrorTableTests
from tradewind.broker.clouds.aws.errors import CODES, TABLE, classify, meaning, refusal, translate
from tradewind.broker.provider import ProviderError


@pytest.mark.parametrize(
    ("code", "kind", "scope"),
    [
        ("InsufficientInstanceCapacity", "capacity", "type"),
        ("Server.InsufficientInstanceCapacity", "capacity", "type"),
        ("Server.SpotInstanceTermination", "capacity", "type"),
        ("VcpuLimitExceeded", "quota", "family"),
        ("Client.VolumeLimitExceeded", "quota", "region"),
        ("MaxSpotInstanceCountExceeded", "quota", "family"),
        ("SpotMaxPriceTooLow", "price", "type"),
        ("AuthFailure", "permission", "cloud"),
        ("ExpiredToken", "permission", "cloud"),
        ("UnauthorizedOperation", "permission", "cloud"),
        ("OptInRequired", "permission", "region"),
        ("InvalidAMIID.NotFound", "image", "region"),
        ("InvalidParameterValue", "request", "type"),
        ("RequestLimitExceeded", "throttle", "region"),
        ("InternalError", "transient", "region"),
        ("EndpointConnectionError", "transient", "cloud"),
    ],
)
def test_codes(code: str, kind: str, scope: str) -> None:
    blocked = classify(refusal(code, "m"), now_unix=1000.0)
    assert (blocked.kind, blocked.scope) == (kind, scope)
    assert code in blocked.why


class TestTable(ErrorTableTests):
    table, rows = TABLE, CODES


def test_the_sdks_own_exceptions_have_rows() -> None:
    for error in (
        sdk.EndpointConnectionError(endpoint_url="https://ec2"),
        sdk.ConnectTimeoutError(endpoint_url="https://ec2"),
        sdk.ReadTimeoutError(endpoint_url="https://ec2"),
        sdk.SSLError(endpoint_url="https://ec2", error="bad"),
        sdk.NoCredentialsError(),
        sdk.ProfileNotFound(profile="x"),
        sdk.TokenRetrievalError(provider="sso", error_msg="Token has expired\nand refresh failed"),
    ):
        translated = translate(error)
        assert meaning(translated.code) is not None, type(error)
        assert "\n" not in translated.message
    answered = sdk.ClientError({"Error": {"Code": "VcpuLimitExceeded", "Message": "too\n many"}}, "RunInstances")
    assert (translate(answered).code, translate(answered).message) == ("VcpuLimitExceeded", "too many")
    ours = ProviderError("aws", "X", "y")
    assert translate(ours) is ours
