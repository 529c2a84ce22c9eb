"""What AWS refuses, as data: each code's kind, what it covers, for how long, and where that is written.

`API` is the EC2 API reference, "Error codes" (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html); `REASON` the state reasons of
DescribeInstances there; `COMMON` the errors common to all AWS services; `SDK` names botocore's own exceptions, raised before AWS has answered.
Durations are ours: how long it has been worth waiting, not something that AWS promises.
"""

from __future__ import annotations

from tradewind.broker.clouds.error_table import DAY, HOUR, MINUTE, ErrorTable
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import Kind, ProviderError, Scope

CLOUD = "aws"
API, REASON, COMMON, SDK, OURS = (
    "EC2 API error codes",
    "EC2 instance state reasons",
    "common AWS errors",
    "botocore exceptions",
    "tradewind",
)


def _meaning(kind: Kind, scope: Scope, seconds: float, source: str = API, mend: str = "") -> Explanation:
    return Explanation(kind, scope, seconds, source, mend)


_CAPACITY = _meaning("capacity", "type", 10 * MINUTE)
_RAISE = "ask for more at https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
_QUOTA = _meaning("quota", "region", HOUR, mend=_RAISE)
# of vCPUs (instances, formerly): some families' in one market, so that others may still be bought
_VCPU_QUOTA = _meaning("quota", "family", HOUR, mend=_RAISE)
_LOGIN = _meaning("permission", "cloud", 5 * MINUTE, COMMON, "log in again: aws configure, or aws sso login")
_REQUEST = _meaning("request", "type", DAY)
_IMAGE = _meaning("image", "region", DAY)
_THROTTLE = _meaning("throttle", "region", 30, COMMON)
_PASSING = _meaning("transient", "region", 30, COMMON)
_NETWORK = _meaning("transient", "cloud", 30, SDK, "check the network of this machine")

CODES: dict[str, Explanation] = {
    # capacity
    "InsufficientInstanceCapacity": _CAPACITY,
    "InsufficientHostCapacity": _CAPACITY,
    "InsufficientCapacity": _CAPACITY,
    "InsufficientCapacityOnHost": _CAPACITY,
    "InsufficientReservedInstanceCapacity": _CAPACITY,
    "UnfulfillableCapacity": _CAPACITY,
    "InsufficientVolumeCapacity": _meaning("capacity", "zone", 10 * MINUTE),
    "InsufficientFreeAddressesInSubnet": _meaning(
        "capacity", "zone", 10 * MINUTE, mend="free addresses in the subnet or use a larger one"
    ),
    "InsufficientAddressCapacity": _meaning("capacity", "region", 10 * MINUTE),
    "SpotInstanceTermination": _meaning("capacity", "type", 10 * MINUTE, REASON),
    "SpotInstanceShutdown": _meaning("capacity", "type", 10 * MINUTE, REASON),
    # the type is not sold there: for good, as far as one launch is concerned
    "Unsupported": _meaning("capacity", "type", DAY),
    "UnsupportedInstanceType": _meaning("capacity", "type", DAY),
    "InvalidAvailabilityZone": _meaning("capacity", "zone", DAY),
    # price
    "SpotMaxPriceTooLow": _meaning("price", "type", 10 * MINUTE),
    "MaxSpotPriceTooLow": _meaning("price", "type", 10 * MINUTE),
    # quotas
    "VcpuLimitExceeded": _VCPU_QUOTA,
    "InstanceLimitExceeded": _VCPU_QUOTA,
    "MaxSpotInstanceCountExceeded": _VCPU_QUOTA,
    "SpotInstanceCountExceeded": _VCPU_QUOTA,
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
    "SignatureDoesNotMatch": _meaning(
        "permission", "cloud", 5 * MINUTE, COMMON, "check the secret key and this machine's clock"
    ),
    "RequestExpired": _meaning(
        "permission", "cloud", 5 * MINUTE, COMMON, "set this machine's clock (timedatectl set-ntp true)"
    ),
    "RequestTimeTooSkewed": _meaning(
        "permission", "cloud", 5 * MINUTE, COMMON, "set this machine's clock (timedatectl set-ntp true)"
    ),
    "UnauthorizedOperation": _meaning(
        "permission", "cloud", 10 * MINUTE, mend="tradewind check aws names the missing permission"
    ),
    "AccessDenied": _meaning(
        "permission", "cloud", 10 * MINUTE, COMMON, "tradewind check aws names the missing permission"
    ),
    "AccessDeniedException": _meaning(
        "permission", "cloud", 10 * MINUTE, COMMON, "tradewind check aws names the missing permission"
    ),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": _meaning(
        "permission",
        "cloud",
        HOUR,
        mend="run once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    ),
    "Blocked": _meaning("permission", "cloud", DAY, mend="AWS has blocked the account: write to AWS support"),
    "OptInRequired": _meaning(
        "permission", "region", DAY, mend="enable the region: aws account enable-region --region-name REGION"
    ),
    "PendingVerification": _meaning(
        "permission", "region", 4 * HOUR, mend="AWS verifies the account for this region: wait for its mail"
    ),
    "NoCredentials": _meaning("permission", "cloud", 5 * MINUTE, SDK, "log in: aws configure, or aws sso login"),
    "NotInstalled": _meaning("permission", "cloud", DAY, OURS),
    # images and requests
    "InvalidAMIID.NotFound": _IMAGE,
    "InvalidAMIID.Unavailable": _IMAGE,
    "InvalidAMIID.Malformed": _IMAGE,
    "InvalidAMIName.NotFound": _IMAGE,
    "ParameterNotFound": _meaning("image", "region", DAY, "SSM API errors"),
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
    "IdempotentParameterMismatch": _meaning("request", "type", 5 * MINUTE),
    "InvalidInstanceID.NotFound": _meaning("request", "type", 0),
    "InvalidInstanceID.Malformed": _meaning("request", "type", 0),
    "InvalidSubnetID.NotFound": _meaning("request", "region", DAY),
    "InvalidVpcID.NotFound": _meaning("request", "region", DAY),
    "NoDriverImage": _meaning("image", "type", DAY, OURS),
    "NotAsAsked": _meaning("request", "cloud", MINUTE, OURS, "look at image_id, disk_tier and labels in the task"),
    "NoDefaultVpc": _meaning("request", "region", DAY, OURS, "make one: aws ec2 create-default-vpc --region REGION"),
    "NoSubnet": _meaning(
        "request", "zone", DAY, OURS, "make one: aws ec2 create-default-subnet --availability-zone ZONE"
    ),
    "NoSuchZone": _meaning("capacity", "zone", DAY, OURS),
    "NotListed": _meaning("transient", "type", MINUTE, OURS),
    "StillRunning": _meaning("transient", "zone", MINUTE, OURS),
    "NoTransport": _meaning("fatal", "cloud", DAY, OURS),
    # reaching an instance that runs: another one may well do better
    "SshUnreachable": _meaning("transient", "zone", MINUTE, OURS),
    "SshRefused": _meaning("transient", "zone", MINUTE, OURS),
    "SshLost": _meaning("transient", "zone", MINUTE, OURS),
    "SshTimeout": _meaning("transient", "zone", MINUTE, OURS),
    "SshStart": _meaning("transient", "zone", MINUTE, OURS),
    "SshCopy": _meaning("transient", "zone", MINUTE, OURS),
    "Install": _meaning("transient", "zone", MINUTE, OURS),
    "HostKeyChanged": _meaning("fatal", "cloud", HOUR, OURS),
    "NoPython": _meaning("image", "cloud", DAY, OURS),
    "DiskFull": _meaning("request", "type", DAY, OURS),
    "BadSource": _meaning("request", "cloud", 0, OURS),
    "BadTarget": _meaning("request", "cloud", 0, OURS),
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
    "DependencyViolation": _meaning("transient", "region", 30),
    "InvalidGroup.NotFound": _meaning("transient", "region", 10),
    "EndpointConnectionError": _NETWORK,
    "ConnectTimeoutError": _NETWORK,
    "ReadTimeoutError": _NETWORK,
    "ConnectionClosedError": _NETWORK,
    "ConnectionError": _NETWORK,
    "HTTPClientError": _NETWORK,
    "ProxyConnectionError": _NETWORK,
    "SSLError": _meaning(
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

TABLE = ErrorTable(
    CLOUD,
    CODES,
    unknown_s=10 * MINUTE,
    prefixes=("Server.", "Client."),  # of state reasons
    login=[code for code, meaning in CODES.items() if meaning is _LOGIN],
)
refusal, classify, meaning = TABLE.refusal, TABLE.classify, TABLE.find


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


def _one_line(text: str) -> str:
    return " ".join(text.split())
