"""What AWS refuses, as data: each code's kind, what it covers, for how long, and where that is written.

`API` is the EC2 API reference, "Error codes" (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html); `REASON` the state reasons of
DescribeInstances there; `COMMON` the errors common to all AWS services; `SDK` names botocore's own exceptions, raised before AWS has answered.
Durations are ours: how long it has been worth waiting, not something that AWS promises.
"""

from __future__ import annotations

import time

import msgspec

from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

CLOUD = "aws"
API, REASON, COMMON, SDK, OURS = (
    "EC2 API error codes",
    "EC2 instance state reasons",
    "common AWS errors",
    "botocore exceptions",
    "tradewind",
)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
UNKNOWN_S = 10 * MINUTE


class Meaning(msgspec.Struct, frozen=True):
    """How a code is treated. Scope "type" is the type in its zone and market. `mend` is what a person can do, as a sentence ending."""

    kind: Kind
    scope: Scope
    seconds: float
    source: str = API
    mend: str = ""


_CAPACITY = Meaning("capacity", "type", 10 * MINUTE)
_QUOTA = Meaning(
    "quota",
    "region",
    HOUR,
    mend="ask for more at https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas",
)
_LOGIN = Meaning("permission", "cloud", 5 * MINUTE, COMMON, "log in again: aws configure, or aws sso login")
_REQUEST = Meaning("request", "type", DAY)
_IMAGE = Meaning("image", "region", DAY)
_THROTTLE = Meaning("throttle", "region", 30, COMMON)
_PASSING = Meaning("transient", "region", 30, COMMON)
_NETWORK = Meaning("transient", "cloud", 30, SDK, "check the network of this machine")

CODES: dict[str, Meaning] = {
    # capacity
    "InsufficientInstanceCapacity": _CAPACITY,
    "InsufficientHostCapacity": _CAPACITY,
    "InsufficientCapacity": _CAPACITY,
    "InsufficientCapacityOnHost": _CAPACITY,
    "InsufficientReservedInstanceCapacity": _CAPACITY,
    "UnfulfillableCapacity": _CAPACITY,
    "InsufficientVolumeCapacity": Meaning("capacity", "zone", 10 * MINUTE),
    "InsufficientFreeAddressesInSubnet": Meaning(
        "capacity", "zone", 10 * MINUTE, mend="free addresses in the subnet or use a larger one"
    ),
    "InsufficientAddressCapacity": Meaning("capacity", "region", 10 * MINUTE),
    "SpotInstanceTermination": Meaning("capacity", "type", 10 * MINUTE, REASON),
    "SpotInstanceShutdown": Meaning("capacity", "type", 10 * MINUTE, REASON),
    # the type is not sold there: for good, as far as one launch is concerned
    "Unsupported": Meaning("capacity", "type", DAY),
    "UnsupportedInstanceType": Meaning("capacity", "type", DAY),
    "InvalidAvailabilityZone": Meaning("capacity", "zone", DAY),
    # price
    "SpotMaxPriceTooLow": Meaning("price", "type", 10 * MINUTE),
    "MaxSpotPriceTooLow": Meaning("price", "type", 10 * MINUTE),
    # quotas
    "VcpuLimitExceeded": _QUOTA,
    "InstanceLimitExceeded": _QUOTA,
    "MaxSpotInstanceCountExceeded": _QUOTA,
    "SpotInstanceCountExceeded": _QUOTA,
    "VolumeLimitExceeded": _QUOTA,
    "MaxIOPSLimitExceeded": _QUOTA,
    "AddressLimitExceeded": _QUOTA,
    "NetworkInterfaceLimitExceeded": _QUOTA,
    "SecurityGroupLimitExceeded": _QUOTA,
    "RulesPerSecurityGroupLimitExceeded": _QUOTA,
    "ResourceLimitExceeded": _QUOTA,
    "ResourceCountExceeded": _QUOTA,
    "LimitExceeded": _QUOTA,
    # permission
    "AuthFailure": _LOGIN,
    "InvalidClientTokenId": _LOGIN,
    "UnrecognizedClientException": _LOGIN,
    "ExpiredToken": _LOGIN,
    "ExpiredTokenException": _LOGIN,
    "InvalidSignatureException": _LOGIN,
    "MissingAuthenticationToken": _LOGIN,
    "NotAuthorized": _LOGIN,
    "SignatureDoesNotMatch": Meaning(
        "permission", "cloud", 5 * MINUTE, COMMON, "check the secret key and this machine's clock"
    ),
    "RequestExpired": Meaning(
        "permission", "cloud", 5 * MINUTE, COMMON, "set this machine's clock (timedatectl set-ntp true)"
    ),
    "RequestTimeTooSkewed": Meaning(
        "permission", "cloud", 5 * MINUTE, COMMON, "set this machine's clock (timedatectl set-ntp true)"
    ),
    "UnauthorizedOperation": Meaning(
        "permission", "cloud", 10 * MINUTE, mend="tradewind check aws names the missing permission"
    ),
    "AccessDenied": Meaning(
        "permission", "cloud", 10 * MINUTE, COMMON, "tradewind check aws names the missing permission"
    ),
    "AccessDeniedException": Meaning(
        "permission", "cloud", 10 * MINUTE, COMMON, "tradewind check aws names the missing permission"
    ),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": Meaning(
        "permission",
        "cloud",
        HOUR,
        mend="run once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    ),
    "Blocked": Meaning("permission", "cloud", DAY, mend="AWS has blocked the account: write to AWS support"),
    "OptInRequired": Meaning(
        "permission", "region", DAY, mend="enable the region: aws account enable-region --region-name REGION"
    ),
    "PendingVerification": Meaning(
        "permission", "region", 4 * HOUR, mend="AWS verifies the account for this region: wait for its mail"
    ),
    "NoCredentials": Meaning("permission", "cloud", 5 * MINUTE, SDK, "log in: aws configure, or aws sso login"),
    "NotInstalled": Meaning("permission", "cloud", DAY, OURS),
    # images and requests
    "InvalidAMIID.NotFound": _IMAGE,
    "InvalidAMIID.Unavailable": _IMAGE,
    "InvalidAMIID.Malformed": _IMAGE,
    "InvalidAMIName.NotFound": _IMAGE,
    "ParameterNotFound": Meaning("image", "region", DAY, "SSM API errors"),
    "InvalidSnapshot.NotFound": _IMAGE,
    "InvalidInstanceType": _REQUEST,
    "InvalidParameterValue": _REQUEST,
    "InvalidParameterCombination": _REQUEST,
    "InvalidParameter": _REQUEST,
    "MissingParameter": _REQUEST,
    "InvalidBlockDeviceMapping": _REQUEST,
    "InvalidRequest": _REQUEST,
    "InvalidInput": _REQUEST,
    "UnsupportedOperation": _REQUEST,
    "IncorrectInstanceState": _REQUEST,
    "IdempotentParameterMismatch": Meaning("request", "type", 5 * MINUTE),
    "InvalidInstanceID.NotFound": Meaning("request", "type", 0),
    "InvalidInstanceID.Malformed": Meaning("request", "type", 0),
    "InvalidSubnetID.NotFound": Meaning("request", "region", DAY),
    "InvalidVpcID.NotFound": Meaning("request", "region", DAY),
    "NoDriverImage": Meaning("image", "type", DAY, OURS),
    "NoDefaultVpc": Meaning("request", "region", DAY, OURS, "make one: aws ec2 create-default-vpc --region REGION"),
    "NoSubnet": Meaning(
        "request", "zone", DAY, OURS, "make one: aws ec2 create-default-subnet --availability-zone ZONE"
    ),
    "NoSuchZone": Meaning("capacity", "zone", DAY, OURS),
    "NotListed": Meaning("transient", "type", MINUTE, OURS),
    "StillRunning": Meaning("transient", "zone", MINUTE, OURS),
    "NoTransport": Meaning("fatal", "cloud", DAY, OURS),
    # reaching an instance that runs: another one may well do better
    "SshUnreachable": Meaning("transient", "zone", MINUTE, OURS),
    "SshRefused": Meaning("transient", "zone", MINUTE, OURS),
    "SshLost": Meaning("transient", "zone", MINUTE, OURS),
    "SshTimeout": Meaning("transient", "zone", MINUTE, OURS),
    "SshStart": Meaning("transient", "zone", MINUTE, OURS),
    "SshCopy": Meaning("transient", "zone", MINUTE, OURS),
    "Install": Meaning("transient", "zone", MINUTE, OURS),
    "HostKeyChanged": Meaning("fatal", "cloud", HOUR, OURS),
    "NoPython": Meaning("image", "cloud", DAY, OURS),
    "DiskFull": Meaning("request", "type", DAY, OURS),
    "BadSource": Meaning("request", "cloud", 0, OURS),
    "BadTarget": Meaning("request", "cloud", 0, OURS),
    # try again
    "RequestLimitExceeded": _THROTTLE,
    "Throttling": _THROTTLE,
    "ThrottlingException": _THROTTLE,
    "TooManyRequestsException": _THROTTLE,
    "BandwidthLimitExceeded": _THROTTLE,
    "InternalError": _PASSING,
    "InternalFailure": _PASSING,
    "Internal": _PASSING,
    "Unavailable": _PASSING,
    "ServiceUnavailable": _PASSING,
    "RequestTimeout": _PASSING,
    "DependencyViolation": Meaning("transient", "region", 30),
    "InvalidGroup.NotFound": Meaning("transient", "region", 10),
    "EndpointConnectionError": _NETWORK,
    "ConnectTimeoutError": _NETWORK,
    "ReadTimeoutError": _NETWORK,
    "ConnectionClosedError": _NETWORK,
    "ConnectionError": _NETWORK,
    "HTTPClientError": _NETWORK,
    "ProxyConnectionError": _NETWORK,
    "SSLError": Meaning(
        "transient", "cloud", 5 * MINUTE, SDK, "check the certificates that this machine trusts (AWS_CA_BUNDLE)"
    ),
}
# botocore's exceptions that mean: there is nobody to call as
_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "ConfigParseError", "UnauthorizedSSOTokenError",
        "SSOTokenLoadError", "TokenRetrievalError", "SSOError", "MetadataRetrievalError", "InvalidConfigError", "RefreshWithMFAUnsupportedError",
        "LoginRefreshRequired",
    }
)  # fmt: skip


def refusal(code: str, message: str) -> ProviderError:
    """An error of this provider."""
    return ProviderError(CLOUD, code, message)


def translate(error: Exception) -> ProviderError:
    """The SDK's exception as ours; AWS's own code where AWS answered, the exception's name where it did not."""
    if isinstance(error, ProviderError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        code, message = response["Error"].get("Code", ""), response["Error"].get("Message", "")
        return refusal(code, _one_line(message) or code)
    name = type(error).__name__
    if name in _NO_CREDENTIALS:
        return refusal("NoCredentials", f"no usable AWS credentials ({_one_line(str(error))})")
    return refusal(name, _one_line(str(error)) or name)


def meaning(code: str) -> Meaning | None:
    """How the code is treated, a state reason's "Server." or "Client." left out; None for one that the table does not know."""
    return CODES.get(code) or CODES.get(code.removeprefix("Server.").removeprefix("Client."))


def classify(error: ProviderError, now_unix: float | None = None) -> Blocked:
    """What the error covers and until when. A code that is not in the table keeps its zone out for ten minutes, and is named as unknown."""
    now = time.time() if now_unix is None else now_unix
    known = meaning(error.code)
    if known is None:
        why = f"{error.message} ({error.code}, a code that tradewind does not know)"
        return Blocked(kind="fatal", scope="zone", why=why, until_unix=now + UNKNOWN_S)
    why = f"{error.message} ({error.code})" + (f"; {known.mend}" if known.mend else "")
    return Blocked(kind=known.kind, scope=known.scope, why=why, until_unix=now + known.seconds)


def _one_line(text: str) -> str:
    return " ".join(text.split())
