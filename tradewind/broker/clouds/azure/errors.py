"""Azure's error codes: what each means, how much it covers, for how long, and where that is written. Data, and two pure functions over it.

The code in the body decides, never the HTTP status or the SDK's exception class: SkuNotAvailable comes as 409, which the SDK calls
ResourceExistsError.
"""

from __future__ import annotations

import re

import msgspec

from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

CLOUD = "azure"


class Meaning(msgspec.Struct, frozen=True):
    """What a code means: trying again within `seconds` is useless. Scope "type" is the size in its zone (or region) and market."""

    code: str
    kind: Kind
    scope: Scope
    seconds: float
    source: str


_ALLOCATION = "learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/allocation-failure"
_SKU = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-sku-not-available"
_QUOTA = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-quota"
_SPOT = "learn.microsoft.com/azure/virtual-machines/error-codes-spot"
_ARM = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors"
_COMPUTE = "learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/error-messages"
_THROTTLE = "learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"
_IDENTITY = "learn.microsoft.com/python/api/overview/azure/identity-readme"
_OURS = "tradewind's own finding"

MEANINGS: dict[str, Meaning] = {
    row.code: row
    for row in (
        Meaning("SkuNotAvailable", "capacity", "type", 1800, _SKU),
        Meaning("AllocationFailed", "capacity", "type", 900, _ALLOCATION),
        Meaning("ZonalAllocationFailed", "capacity", "type", 900, _ALLOCATION),
        Meaning("OverconstrainedAllocationRequest", "capacity", "type", 900, _ALLOCATION),
        Meaning("OverconstrainedZonalAllocationRequest", "capacity", "type", 900, _ALLOCATION),
        Meaning("OutOfCapacity", "capacity", "type", 900, _ALLOCATION),
        Meaning("CapacityNotAvailable", "capacity", "type", 900, _ALLOCATION),
        Meaning("InsufficientCapacity", "capacity", "type", 900, _ALLOCATION),
        Meaning("LocationNotAvailableForResourceType", "request", "type", 86400, _ARM),
        Meaning("OperationPreempted", "capacity", "type", 300, _COMPUTE),
        Meaning("VMEvicted", "capacity", "type", 300, _SPOT),
        Meaning("QuotaExceeded", "quota", "region", 3600, _QUOTA),
        Meaning("ResourceQuotaExceeded", "quota", "region", 3600, _QUOTA),
        Meaning("PublicIPCountLimitReached", "quota", "region", 3600, _QUOTA),
        Meaning("ResourceGroupQuotaExceeded", "quota", "cloud", 3600, _QUOTA),
        Meaning("OperationNotAllowed", "request", "type", 600, f"{_QUOTA}; a quota only when its text says so"),
        Meaning("SpotPriceGreaterThanProvidedMaxPrice", "price", "type", 600, _SPOT),
        Meaning("MaxPriceValueInvalid", "request", "type", 3600, _SPOT),
        Meaning("AzureSpotIsNotSupportedForThisVMSize", "request", "type", 86400, _SPOT),
        Meaning("AzureSpotFeatureNotEnabledForSubscription", "permission", "cloud", 86400, _SPOT),
        Meaning("VMPriorityCannotBeApplied", "request", "type", 3600, _SPOT),
        Meaning("AuthorizationFailed", "permission", "cloud", 600, _ARM),
        Meaning("LinkedAuthorizationFailed", "permission", "cloud", 600, _ARM),
        Meaning("AuthenticationFailed", "permission", "cloud", 300, _ARM),
        Meaning("InvalidAuthenticationToken", "permission", "cloud", 300, _ARM),
        Meaning("InvalidAuthenticationTokenTenant", "permission", "cloud", 300, _ARM),
        Meaning("ExpiredAuthenticationToken", "permission", "cloud", 300, _ARM),
        Meaning("SubscriptionNotFound", "permission", "cloud", 600, _ARM),
        Meaning("InvalidSubscriptionId", "permission", "cloud", 600, _ARM),
        Meaning("ReadOnlyDisabledSubscription", "permission", "cloud", 86400, _ARM),
        Meaning("DisallowedProvider", "permission", "cloud", 86400, _ARM),
        Meaning("MissingSubscriptionRegistration", "permission", "cloud", 600, _ARM),
        Meaning("SubscriptionNotRegistered", "permission", "cloud", 600, _ARM),
        Meaning("RequestDisallowedByPolicy", "permission", "region", 86400, _ARM),
        Meaning("RequestDisallowedByAzure", "permission", "region", 86400, _ARM),
        Meaning("ScopeLocked", "permission", "cloud", 3600, _ARM),
        Meaning("PlatformImageNotFound", "image", "type", 86400, _COMPUTE),
        Meaning("ImageNotFound", "image", "type", 86400, _COMPUTE),
        Meaning("ResourcePurchaseValidationFailed", "image", "type", 86400, _COMPUTE),
        Meaning("MarketplacePurchaseEligibilityFailed", "image", "type", 86400, _COMPUTE),
        Meaning("InvalidParameter", "request", "type", 3600, _COMPUTE),
        Meaning("BadRequest", "request", "type", 3600, _ARM),
        Meaning("InvalidRequestContent", "request", "type", 3600, _ARM),
        Meaning("InvalidRequestFormat", "request", "type", 3600, _ARM),
        Meaning("InvalidTemplate", "request", "type", 3600, _ARM),
        Meaning("PropertyChangeNotAllowed", "request", "type", 3600, _COMPUTE),
        Meaning("NoRegisteredProviderFound", "request", "region", 86400, _ARM),
        Meaning("InvalidResourceReference", "request", "region", 60, _ARM),
        Meaning("NotFound", "request", "region", 60, _ARM),
        Meaning("ResourceNotFound", "request", "region", 0, _ARM),
        Meaning("ResourceGroupNotFound", "request", "region", 0, _ARM),
        Meaning("PreconditionFailed", "request", "type", 0, "learn.microsoft.com/rest/api/compute (If-None-Match)"),
        Meaning("Conflict", "transient", "region", 15, _ARM),
        Meaning("AnotherOperationInProgress", "transient", "region", 15, _ARM),
        Meaning("ResourceGroupBeingDeleted", "transient", "region", 30, _ARM),
        Meaning("InUse", "transient", "region", 15, _ARM),
        Meaning("RetryableError", "transient", "region", 15, _COMPUTE),
        Meaning("NetworkingInternalOperationError", "transient", "region", 30, _COMPUTE),
        Meaning("InternalExecutionError", "transient", "region", 30, _COMPUTE),
        Meaning("InternalOperationError", "transient", "region", 30, _COMPUTE),
        Meaning("InternalServerError", "transient", "region", 30, _ARM),
        Meaning("ServiceUnavailable", "transient", "region", 30, _ARM),
        Meaning("GatewayTimeout", "transient", "region", 30, _ARM),
        Meaning("ServerTimeout", "transient", "region", 30, _ARM),
        Meaning("OSProvisioningTimedOut", "transient", "type", 60, _COMPUTE),
        Meaning("OSProvisioningClientError", "image", "type", 3600, _COMPUTE),
        Meaning("VMExtensionProvisioningError", "image", "type", 3600, _COMPUTE),
        Meaning("VMExtensionProvisioningTimeout", "transient", "type", 60, _COMPUTE),
        Meaning("TooManyRequests", "throttle", "cloud", 60, _THROTTLE),
        Meaning("SubscriptionRequestsThrottled", "throttle", "cloud", 60, _THROTTLE),
        Meaning("OperationNotAllowedDueToThrottling", "throttle", "cloud", 60, _THROTTLE),
        # before any call
        Meaning("NO_CREDENTIALS", "permission", "cloud", 60, _IDENTITY),
        Meaning("CREDENTIALS_REFUSED", "permission", "cloud", 60, _IDENTITY),
        Meaning("NO_SUBSCRIPTION", "permission", "cloud", 60, _OURS),
        Meaning("NO_LIBRARY", "permission", "cloud", 60, _OURS),
        Meaning("UNREACHABLE", "transient", "cloud", 30, _OURS),
        # what the provider itself finds
        Meaning("TOKEN_MISMATCH", "request", "type", 0, _OURS),
        Meaning("VANISHED", "capacity", "type", 300, _OURS),
        Meaning("TIME_OUT", "transient", "region", 30, _OURS),
        Meaning("NOT_SOLD_HERE", "request", "type", 86400, _OURS),
        Meaning("NOT_FOR_SUBSCRIPTION", "quota", "type", 86400, f"{_SKU} (reasonCode of the SKU list)"),
        Meaning("NO_IMAGE", "image", "type", 86400, _OURS),
        Meaning("NO_KEY", "request", "cloud", 0, _OURS),
        Meaning("NO_CONNECTION", "request", "cloud", 0, _OURS),
    )
}

# A code that says more in its text: the first pattern that is found decides.
_FINER: tuple[tuple[str, str, Kind, Scope, float], ...] = (
    ("OperationNotAllowed|QuotaExceeded", r"(?i)exceeding approved .*quota|quota", "quota", "region", 3600),
    ("SkuNotAvailable", r"(?i)for this subscription", "quota", "type", 86400),
)

UNKNOWN_S = 300.0


def refusal(code: str, message: str) -> ProviderError:
    """An error of this provider, in one line."""
    return ProviderError(CLOUD, code, " ".join(message.split()))


def classify(error: ProviderError, now_unix: float) -> Blocked:
    """What the error covers and until when. An unknown code is named as such and covers its region for five minutes."""
    for codes, pattern, kind, scope, seconds in _FINER:
        if error.code in codes.split("|") and re.search(pattern, error.message):
            return Blocked(kind, scope, str(error), now_unix + seconds)
    if (row := MEANINGS.get(error.code)) is not None:
        return Blocked(row.kind, row.scope, str(error), now_unix + row.seconds)
    why = f"{error}; tradewind does not know the code {error.code}, and leaves its region alone for five minutes"
    return Blocked("fatal", "region", why, now_unix + UNKNOWN_S)


def is_gone(error: ProviderError) -> bool:
    """Whether the error says that what was named does not exist."""
    return error.code in {"ResourceNotFound", "ResourceGroupNotFound", "NotFound"}


def is_ambiguous(error: ProviderError) -> bool:
    """Whether the call may have taken effect although it failed, or another like it did."""
    row = MEANINGS.get(error.code)
    return error.code == "PreconditionFailed" or (row is not None and row.kind == "transient")
