"""Google's error codes: what each means, how much it covers, for how long, and where that is written. Data, and the table of it."""

from __future__ import annotations

from tradewind.broker.clouds import clock
from tradewind.broker.clouds.error_table import ErrorTable, Finer
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import ProviderError

CLOUD = "gcp"


_STOCKOUT = "cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability"
_CREATE = "cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation"
_API = "cloud.google.com/compute/docs/api/errors (reason of a refused call)"
_RPC = "cloud.google.com/apis/design/errors (google.rpc.Code)"
_TPU = "cloud.google.com/tpu/docs/troubleshooting/trouble-tf (creation errors)"
_AUTH = "googleapis.dev/python/google-auth (google.auth.exceptions)"
_REASON = "cloud.google.com/java/docs/reference/proto-google-common-protos/latest/com.google.api.ErrorReason"
_OURS = "tradewind's own finding"
_ALLOW = "the organisation's policy on locations keeps it closed: name a region that it allows, or have its administrator allow this one"

# what a person can do
_LOG_IN = "log in again: gcloud auth application-default login"
_MISSING = "`tradewind check gcp` names what is missing"
_ENABLE = "enable it: gcloud services enable compute.googleapis.com (tpu.googleapis.com for TPUs)"
_BILLING = "link a billing account to the project"

# code -> its kind, what it covers, for how many seconds trying again is useless, and where that is written
MEANINGS: dict[str, Explanation] = {
    # inside an operation
    "ZONE_RESOURCE_POOL_EXHAUSTED": Explanation("capacity", "type", 900, _STOCKOUT),
    "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS": Explanation("capacity", "type", 900, _STOCKOUT),
    "REGION_RESOURCE_POOL_EXHAUSTED": Explanation("capacity", "type", 900, _STOCKOUT),
    "RESOURCE_POOL_EXHAUSTED": Explanation("capacity", "type", 900, _STOCKOUT),
    "STOCKOUT": Explanation("capacity", "type", 900, _STOCKOUT),
    "insufficientCapacity": Explanation("capacity", "type", 900, _STOCKOUT),
    # a spot instance that was taken while it was being made
    "UNSUPPORTED_OPERATION": Explanation("capacity", "type", 300, _CREATE),
    "PREEMPTED_WHILE_CREATING": Explanation("capacity", "type", 300, _OURS),
    "QUOTA_EXCEEDED": Explanation("quota", "region", 3600, "cloud.google.com/compute/resource-usage"),
    "RESOURCE_OPERATION_RATE_EXCEEDED": Explanation("throttle", "zone", 30, _CREATE),
    "RESOURCE_NOT_READY": Explanation("transient", "zone", 10, _CREATE),
    "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE": Explanation("transient", "zone", 10, _CREATE),
    "RESOURCE_NOT_FOUND": Explanation("request", "type", 600, _CREATE),
    "RESOURCE_ALREADY_EXISTS": Explanation("request", "type", 0, _CREATE),
    "PERMISSIONS_ERROR": Explanation("permission", "cloud", 600, _CREATE, _MISSING),
    "CONDITION_NOT_MET": Explanation("request", "cloud", 3600, _CREATE),
    "INTERNAL_ERROR": Explanation("transient", "zone", 30, _CREATE),
    "OPERATION_CANCELED_BY_USER": Explanation("request", "type", 0, _CREATE),
    # the reason of a refused call
    "quotaExceeded": Explanation("quota", "region", 3600, _API),
    "limitExceeded": Explanation("quota", "region", 3600, _API),
    "rateLimitExceeded": Explanation("throttle", "cloud", 30, _API),
    "userRateLimitExceeded": Explanation("throttle", "cloud", 30, _API),
    "operationRateExceeded": Explanation("throttle", "cloud", 30, _API),
    "RATE_LIMIT_EXCEEDED": Explanation("throttle", "cloud", 30, _API),
    "authError": Explanation("permission", "cloud", 300, _API, _LOG_IN),
    "required": Explanation("request", "type", 3600, _API),
    "forbidden": Explanation("permission", "cloud", 600, _API, _MISSING),
    "insufficientPermissions": Explanation("permission", "cloud", 600, _API, _MISSING),
    "accessNotConfigured": Explanation("permission", "cloud", 600, _API, _ENABLE),
    "SERVICE_DISABLED": Explanation("permission", "cloud", 600, _API, _ENABLE),
    "BILLING_DISABLED": Explanation("permission", "cloud", 3600, _API, _BILLING),
    "billingNotEnabled": Explanation("permission", "cloud", 3600, _API, _BILLING),
    "IAM_PERMISSION_DENIED": Explanation("permission", "cloud", 600, _API, _MISSING),
    "orgPolicyViolation": Explanation(
        "permission",
        "cloud",
        3600,
        "cloud.google.com/resource-manager/docs/organization-policy",
    ),
    "conditionNotMet": Explanation(
        "request",
        "cloud",
        3600,
        "constraints of an organisation policy are told with this reason",
    ),
    "notFound": Explanation("request", "type", 600, _API),
    "alreadyExists": Explanation("request", "type", 0, _API),
    "invalid": Explanation("request", "type", 3600, _API),
    "badRequest": Explanation("request", "type", 3600, _API),
    "invalidUsage": Explanation("request", "type", 3600, _API),
    "resourceNotReady": Explanation("transient", "zone", 10, _API),
    "resourceInUseByAnotherResource": Explanation("transient", "zone", 10, _API),
    "backendError": Explanation("transient", "cloud", 30, _API),
    "internalError": Explanation("transient", "cloud", 30, _API),
    # of a token
    "ACCESS_TOKEN_EXPIRED": Explanation("permission", "cloud", 300, _REASON),
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": Explanation("permission", "cloud", 300, _REASON),
    "ACCOUNT_STATE_INVALID": Explanation("permission", "cloud", 600, _REASON),
    "CREDENTIALS_MISSING": Explanation("permission", "cloud", 300, _REASON),
    # Cloud TPU
    "RESOURCE_EXHAUSTED": Explanation("capacity", "type", 900, _TPU),
    "FAILED_PRECONDITION": Explanation("request", "type", 600, _TPU),
    "INVALID_ARGUMENT": Explanation("request", "type", 3600, _RPC),
    "PERMISSION_DENIED": Explanation("permission", "cloud", 600, _RPC, _MISSING),
    "UNAUTHENTICATED": Explanation("permission", "cloud", 300, _RPC, _LOG_IN),
    "NOT_FOUND": Explanation("request", "type", 600, _RPC),
    "ALREADY_EXISTS": Explanation("request", "type", 0, _RPC),
    "UNAVAILABLE": Explanation("transient", "cloud", 30, _RPC),
    "INTERNAL": Explanation("transient", "cloud", 30, _RPC),
    "DEADLINE_EXCEEDED": Explanation("transient", "cloud", 30, _RPC),
    "ABORTED": Explanation("transient", "cloud", 10, _RPC),
    "CANCELLED": Explanation("transient", "cloud", 10, _RPC),
    # before any call
    "NO_CREDENTIALS": Explanation("permission", "cloud", 60, _AUTH),
    "CREDENTIALS_REFUSED": Explanation("permission", "cloud", 60, _AUTH),
    clock.CODE: clock.MEANING,
    "NO_PROJECT": Explanation("permission", "cloud", 60, _OURS),
    "NO_LIBRARY": Explanation("permission", "cloud", 60, _OURS),
    "UNREACHABLE": Explanation("transient", "cloud", 30, _OURS),
    # what the provider itself finds
    "TOKEN_MISMATCH": Explanation("request", "type", 0, _OURS),
    "VANISHED": Explanation("capacity", "type", 300, _OURS),
    "TIME_OUT": Explanation("transient", "zone", 30, _OURS),
    "NOT_AS_ASKED": Explanation("request", "cloud", 60, _OURS),
    "NOT_SOLD_HERE": Explanation("request", "type", 86400, _OURS),
    "UNSUPPORTED_SLICE": Explanation("request", "type", 86400, _OURS),
    "NO_CONNECTION": Explanation("request", "cloud", 0, _OURS),
}

# A code that says more in its text: the first pattern that is found decides.
_FINER = (
    # cloud.google.com/resource-manager/docs/organization-policy/defining-locations: a closed location may be a region or one zone: the other zones are asked, and refuse at once
    Finer(
        "conditionNotMet|CONDITION_NOT_MET|FAILED_PRECONDITION|orgPolicyViolation",
        r"gcp\.resourceLocations",
        "permission",
        "zone",
        86400,
        _ALLOW,
    ),
    # a quota of GPUs or TPUs leaves other machines alone, one of addresses or all vCPUs does not
    Finer("QUOTA_EXCEEDED|quotaExceeded", r"GPU|TPU", "quota", "type", 3600),
    Finer("QUOTA_EXCEEDED|quotaExceeded", r"_ALL_REGIONS|globally", "quota", "cloud", 3600),
    # N2_CPUS is of a family, CPUS_PER_VM_FAMILY (C4, N4) of one that it does not name; PREEMPTIBLE_CPUS is of all that is bought on spot
    Finer("QUOTA_EXCEEDED|quotaExceeded", r"'(?!PREEMPTIBLE_)(\w+_)?CPUS(_PER_VM_FAMILY)?'", "quota", "family", 3600),
    Finer("RESOURCE_EXHAUSTED|FAILED_PRECONDITION", r"(?i)quota", "quota", "type", 3600),
    Finer("FAILED_PRECONDITION|UNAVAILABLE", r"(?i)no more capacity|stockout|not enough", "capacity", "type", 900),
    Finer("notFound|RESOURCE_NOT_FOUND|NOT_FOUND", r"images/", "image", "type", 3600),
    Finer("notFound|RESOURCE_NOT_FOUND|NOT_FOUND", r"networks/|subnetworks/", "request", "cloud", 600),
    Finer("invalid|INVALID_ARGUMENT", r"(?i)disk size cannot be smaller than the image", "image", "type", 3600),
    Finer(
        "PERMISSION_DENIED", r"(?i)on 'locations/", "request", "type", 86400
    ),  # how Cloud TPU names a zone without TPUs
)

TABLE = ErrorTable(
    CLOUD,
    MEANINGS,
    finer=_FINER,
    gone=("notFound", "NOT_FOUND", "RESOURCE_NOT_FOUND"),
    login=("authError", "UNAUTHENTICATED", "NO_CREDENTIALS", "CREDENTIALS_REFUSED", "ACCESS_TOKEN_EXPIRED", clock.CODE),
)
refusal, classify = TABLE.refusal, TABLE.classify
is_gone, unless_gone = TABLE.is_gone, TABLE.unless_gone


def exists_already(error: ProviderError) -> bool:
    """Whether the error says that the name is taken."""
    return error.code in {"alreadyExists", "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"}


def is_ambiguous(error: ProviderError) -> bool:
    """Whether the call may have taken effect although it failed."""
    return TABLE.is_transient(error)
