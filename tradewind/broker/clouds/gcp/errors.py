"""Google's error codes: what each means, how much it covers, for how long, and where that is written. Data, and two pure functions over it."""

from __future__ import annotations

import re

import msgspec

from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

CLOUD = "gcp"


class Meaning(msgspec.Struct, frozen=True):
    """What a code means: trying again within `seconds` is useless. Scope "type" is the type in its zone (or region) and market."""

    code: str
    kind: Kind
    scope: Scope
    seconds: float
    source: str


_STOCKOUT = "cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability"
_CREATE = "cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation"
_API = "cloud.google.com/compute/docs/api/errors (reason of a refused call)"
_RPC = "cloud.google.com/apis/design/errors (google.rpc.Code)"
_TPU = "cloud.google.com/tpu/docs/troubleshooting/trouble-tf (creation errors)"
_AUTH = "googleapis.dev/python/google-auth (google.auth.exceptions)"
_OURS = "tradewind's own finding"

MEANINGS: dict[str, Meaning] = {
    row.code: row
    for row in (
        # inside an operation
        Meaning("ZONE_RESOURCE_POOL_EXHAUSTED", "capacity", "type", 900, _STOCKOUT),
        Meaning("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "capacity", "type", 900, _STOCKOUT),
        Meaning("REGION_RESOURCE_POOL_EXHAUSTED", "capacity", "type", 900, _STOCKOUT),
        Meaning("RESOURCE_POOL_EXHAUSTED", "capacity", "type", 900, _STOCKOUT),
        Meaning("STOCKOUT", "capacity", "type", 900, _STOCKOUT),
        Meaning("insufficientCapacity", "capacity", "type", 900, _STOCKOUT),
        # a spot instance that was taken while it was being made
        Meaning("UNSUPPORTED_OPERATION", "capacity", "type", 300, _CREATE),
        Meaning("PREEMPTED_WHILE_CREATING", "capacity", "type", 300, _OURS),
        Meaning("QUOTA_EXCEEDED", "quota", "region", 3600, "cloud.google.com/compute/resource-usage"),
        Meaning("RESOURCE_OPERATION_RATE_EXCEEDED", "throttle", "zone", 30, _CREATE),
        Meaning("RESOURCE_NOT_READY", "transient", "zone", 10, _CREATE),
        Meaning("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "transient", "zone", 10, _CREATE),
        Meaning("RESOURCE_NOT_FOUND", "request", "type", 600, _CREATE),
        Meaning("RESOURCE_ALREADY_EXISTS", "request", "type", 0, _CREATE),
        Meaning("PERMISSIONS_ERROR", "permission", "cloud", 600, _CREATE),
        Meaning("CONDITION_NOT_MET", "request", "cloud", 3600, _CREATE),
        Meaning("INTERNAL_ERROR", "transient", "zone", 30, _CREATE),
        Meaning("OPERATION_CANCELED_BY_USER", "request", "type", 0, _CREATE),
        # the reason of a refused call
        Meaning("quotaExceeded", "quota", "region", 3600, _API),
        Meaning("limitExceeded", "quota", "region", 3600, _API),
        Meaning("rateLimitExceeded", "throttle", "cloud", 30, _API),
        Meaning("userRateLimitExceeded", "throttle", "cloud", 30, _API),
        Meaning("operationRateExceeded", "throttle", "cloud", 30, _API),
        Meaning("RATE_LIMIT_EXCEEDED", "throttle", "cloud", 30, _API),
        Meaning("authError", "permission", "cloud", 300, _API),
        Meaning("required", "request", "type", 3600, _API),
        Meaning("forbidden", "permission", "cloud", 600, _API),
        Meaning("insufficientPermissions", "permission", "cloud", 600, _API),
        Meaning("accessNotConfigured", "permission", "cloud", 600, _API),
        Meaning("SERVICE_DISABLED", "permission", "cloud", 600, _API),
        Meaning("BILLING_DISABLED", "permission", "cloud", 3600, _API),
        Meaning("billingNotEnabled", "permission", "cloud", 3600, _API),
        Meaning("IAM_PERMISSION_DENIED", "permission", "cloud", 600, _API),
        Meaning(
            "orgPolicyViolation",
            "permission",
            "cloud",
            3600,
            "cloud.google.com/resource-manager/docs/organization-policy",
        ),
        Meaning(
            "conditionNotMet",
            "request",
            "cloud",
            3600,
            "constraints of an organisation policy are told with this reason",
        ),
        Meaning("notFound", "request", "type", 600, _API),
        Meaning("alreadyExists", "request", "type", 0, _API),
        Meaning("invalid", "request", "type", 3600, _API),
        Meaning("badRequest", "request", "type", 3600, _API),
        Meaning("invalidUsage", "request", "type", 3600, _API),
        Meaning("resourceNotReady", "transient", "zone", 10, _API),
        Meaning("resourceInUseByAnotherResource", "transient", "zone", 10, _API),
        Meaning("backendError", "transient", "cloud", 30, _API),
        Meaning("internalError", "transient", "cloud", 30, _API),
        # Cloud TPU
        Meaning("RESOURCE_EXHAUSTED", "capacity", "type", 900, _TPU),
        Meaning("FAILED_PRECONDITION", "request", "type", 600, _TPU),
        Meaning("INVALID_ARGUMENT", "request", "type", 3600, _RPC),
        Meaning("PERMISSION_DENIED", "permission", "cloud", 600, _RPC),
        Meaning("UNAUTHENTICATED", "permission", "cloud", 300, _RPC),
        Meaning("NOT_FOUND", "request", "type", 600, _RPC),
        Meaning("ALREADY_EXISTS", "request", "type", 0, _RPC),
        Meaning("UNAVAILABLE", "transient", "cloud", 30, _RPC),
        Meaning("INTERNAL", "transient", "cloud", 30, _RPC),
        Meaning("DEADLINE_EXCEEDED", "transient", "cloud", 30, _RPC),
        Meaning("ABORTED", "transient", "cloud", 10, _RPC),
        Meaning("CANCELLED", "transient", "cloud", 10, _RPC),
        # before any call
        Meaning("NO_CREDENTIALS", "permission", "cloud", 60, _AUTH),
        Meaning("CREDENTIALS_REFUSED", "permission", "cloud", 60, _AUTH),
        Meaning("NO_PROJECT", "permission", "cloud", 60, _OURS),
        Meaning("NO_LIBRARY", "permission", "cloud", 60, _OURS),
        Meaning("UNREACHABLE", "transient", "cloud", 30, _OURS),
        # what the provider itself finds
        Meaning("TOKEN_MISMATCH", "request", "type", 0, _OURS),
        Meaning("VANISHED", "capacity", "type", 300, _OURS),
        Meaning("TIME_OUT", "transient", "zone", 30, _OURS),
        Meaning("NOT_SOLD_HERE", "request", "type", 86400, _OURS),
        Meaning("UNSUPPORTED_SLICE", "request", "type", 86400, _OURS),
        Meaning("NO_CONNECTION", "request", "cloud", 0, _OURS),
    )
}

# A code that says more in its text: the first pattern that is found decides.
_FINER: tuple[tuple[str, str, Kind, Scope, float], ...] = (
    # a quota of GPUs or TPUs leaves other machines alone, one of addresses or all vCPUs does not
    ("QUOTA_EXCEEDED|quotaExceeded", r"GPU|TPU", "quota", "type", 3600),
    ("QUOTA_EXCEEDED|quotaExceeded", r"_ALL_REGIONS|globally", "quota", "cloud", 3600),
    ("RESOURCE_EXHAUSTED|FAILED_PRECONDITION", r"(?i)quota", "quota", "type", 3600),
    ("FAILED_PRECONDITION|UNAVAILABLE", r"(?i)no more capacity|stockout|not enough", "capacity", "type", 900),
    ("notFound|RESOURCE_NOT_FOUND|NOT_FOUND", r"images/", "image", "type", 3600),
    ("notFound|RESOURCE_NOT_FOUND|NOT_FOUND", r"networks/|subnetworks/", "request", "cloud", 600),
    ("invalid|INVALID_ARGUMENT", r"(?i)disk size cannot be smaller than the image", "image", "type", 3600),
    ("PERMISSION_DENIED", r"(?i)on 'locations/", "request", "type", 86400),  # how Cloud TPU names a zone without TPUs
)

UNKNOWN_S = 300.0


def refusal(code: str, message: str) -> ProviderError:
    """An error of this provider, in one line."""
    return ProviderError(CLOUD, code, " ".join(message.split()))


def classify(error: ProviderError, now_unix: float) -> Blocked:
    """What the error covers and until when. An unknown code is named as such and covers its zone for five minutes."""
    for codes, pattern, kind, scope, seconds in _FINER:
        if error.code in codes.split("|") and re.search(pattern, error.message):
            return Blocked(kind, scope, str(error), now_unix + seconds)
    if (row := MEANINGS.get(error.code)) is not None:
        return Blocked(row.kind, row.scope, str(error), now_unix + row.seconds)
    why = f"{error}; tradewind does not know the code {error.code}, and leaves its zone alone for five minutes"
    return Blocked("fatal", "zone", why, now_unix + UNKNOWN_S)


def is_gone(error: ProviderError) -> bool:
    """Whether the error says that what was named does not exist."""
    return error.code in {"notFound", "NOT_FOUND", "RESOURCE_NOT_FOUND"}


def exists_already(error: ProviderError) -> bool:
    """Whether the error says that the name is taken."""
    return error.code in {"alreadyExists", "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"}


def is_ambiguous(error: ProviderError) -> bool:
    """Whether the call may have taken effect although it failed."""
    row = MEANINGS.get(error.code)
    return row is not None and row.kind == "transient"
