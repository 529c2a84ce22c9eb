"""Credentials where the AWS command line leaves them: each of its ways, with botocore's own chain and the services that it asks served here."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import os
import pathlib
from collections.abc import Iterator

import pytest

from clouds.fakes.wire import Answer, Request, Wire
from tradewind.broker.clouds import vendor_session
from tradewind.broker.clouds.aws.entry import Settings, why_not
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import ProviderError

SSO = """
[profile work]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Trainer
region = eu-west-1

[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.com/start
sso_registration_scopes = sso:account:access
"""
ASSUMED = """
[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = base

[profile work]
role_arn = arn:aws:iam::123456789012:role/Trainer
source_profile = base
region = eu-west-1
"""
ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2033-01-01T00:00:00Z</Expiration>
</Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/Trainer/x</Arn><AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>
</AssumeRoleResult></AssumeRoleResponse>"""

EXPIRED = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredToken</Code>
<Message>The security token included in the request is expired</Message></Error><RequestId>1</RequestId></ErrorResponse>"""
IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult>
</GetCallerIdentityResponse>"""


@pytest.fixture
def dot_aws(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The directory of somebody who has never logged in."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / ".aws").mkdir()
    return tmp_path / ".aws"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """What was asked of the two services that hand out keys of a role."""
    found: list[Request] = []

    def answer(request: Request) -> Answer:
        found.append(request)
        if request.path.startswith("/federation/credentials"):
            keys = {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 1988150400000}
            return Answer(200, {"roleCredentials": keys})
        return Answer(200, ROLE.encode(), headers={"Content-Type": "text/xml"})

    wire = Wire(answer)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", wire.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", wire.url)
    yield found
    wire.close()


def key_of(profile: str | None = None) -> str:
    """The access key that a client signs with."""
    session = AwsSession(profile=profile)
    try:
        return str(session.client("ec2", "eu-west-1")._request_signer._credentials.get_frozen_credentials().access_key)
    finally:
        session.close()


def test_nothing(dot_aws: pathlib.Path) -> None:
    assert "aws configure" in why_not(Settings())
    assert not AwsSession().has_credentials()


def test_the_environment_comes_before_the_file(dot_aws: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (dot_aws / "credentials").write_text("[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n")
    assert why_not(Settings()) == ""
    assert key_of() == "AKIAFILE"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert key_of() == "AKIAENV"


def test_a_profile_by_the_environment_or_by_the_settings(dot_aws, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "echo '" + json.dumps({"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "s"}) + "'"
    (dot_aws / "config").write_text(
        f'[profile work]\nregion = ap-south-1\ncredential_process = sh -c "{program.replace(chr(34), chr(92) + chr(34))}"\n'
    )
    assert why_not(Settings()) != ""
    assert why_not(Settings(profile="work")) == ""
    assert (key_of("work"), AwsSession(profile="work").home_region()) == ("AKIAPROC", "ap-south-1")
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert why_not(Settings()) == ""
    assert (key_of(), AwsSession().home_region()) == ("AKIAPROC", "ap-south-1")


def test_single_sign_on(dot_aws: pathlib.Path, asked: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    """`aws sso login` leaves a token, by the name of its session; the role's keys are fetched with it."""
    for reader in (
        "credentials.SSOProvider",
        "tokens.SSOTokenProvider",
    ):  # botocore reads HOME once in a process's life
        monkeypatch.setattr(f"botocore.{reader}._SSO_TOKEN_CACHE_DIR", str(dot_aws / "sso" / "cache"))
    (dot_aws / "config").write_text(SSO)
    cache = dot_aws / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {
        "accessToken": "the token",
        "expiresAt": "2033-01-01T00:00:00Z",
        "startUrl": "https://corp.awsapps.com/start",
        "region": "eu-west-1",
    }
    (cache / f"{hashlib.sha1(b'corp', usedforsecurity=False).hexdigest()}.json").write_text(json.dumps(token))
    assert why_not(Settings(profile="work")) == ""
    assert key_of("work") == "ASIASSO"
    assert asked[-1].headers["x-amz-sso_bearer_token"] == "the token"


def test_a_role_that_is_assumed(dot_aws: pathlib.Path, asked: list[Request]) -> None:
    (dot_aws / "config").write_text(ASSUMED)
    assert why_not(Settings(profile="work")) == ""
    assert key_of("work") == "ASIAROLE"
    assert "Credential=AKIABASE/" in asked[-1].headers["authorization"]


def test_new_keys_in_the_file_count_once_the_old_ones_were_refused(
    dot_aws: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore reads the file once a session; a daemon outlives the keys that a company hands out for an hour."""
    signed: list[str] = []

    def answer(request: Request) -> Answer:
        signed.append(request.headers["authorization"].partition("Credential=")[2].partition("/")[0])
        if signed[-1] == "AKIAOLD":
            return Answer(400, EXPIRED, headers={"Content-Type": "text/xml"})
        return Answer(200, IDENTITY, headers={"Content-Type": "text/xml"})

    wire = Wire(answer)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", wire.url)
    monkeypatch.setattr(vendor_session, "LOOK_AGAIN_S", 0.0)
    keys = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\n"
    (dot_aws / "credentials").write_text(keys.format("AKIAOLD"))
    session = AwsSession()

    async def scenario() -> None:
        with pytest.raises(ProviderError, match="ExpiredToken"):
            await session.call("us-east-1", "sts", "get_caller_identity")
        (dot_aws / "credentials").write_text(keys.format("AKIANEW"))
        await session.call("us-east-1", "sts", "get_caller_identity")

    try:
        asyncio.run(scenario())
    finally:
        session.close()
        wire.close()
    assert (signed[0], signed[-1]) == ("AKIAOLD", "AKIANEW")


def test_boto3_alone_is_not_enough(dot_aws: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on many a machine already; what logs in to instances comes with the extra."""
    (dot_aws / "credentials").write_text("[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n")
    assert why_not(Settings()) == ""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "asyncssh" else found(name))
    assert "pip install 'tradewind[aws]'" in why_not(Settings())
