"""Azure's error codes: what each means, how much it covers, for how long, and where that is written. Data, and the table of it.

The code in the body decides, never the HTTP status or the SDK's exception class: SkuNotAvailable comes as 409, which the SDK calls
ResourceExistsError.
"""

from __future__ import annotations

from tradewind.broker.clouds import clock
from tradewind.broker.clouds.error_table import ErrorTable, Finer
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import ProviderError

CLOUD = "azure"


_ALLOCATION = "learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/allocation-failure"
_SKU = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-sku-not-available"
_QUOTA = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-quota"
_SPOT = "learn.microsoft.com/azure/virtual-machines/error-codes-spot"
_ARM = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors"
_COMPUTE = "learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/error-messages"
_THROTTLE = "learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"
_IDENTITY = "learn.microsoft.com/python/api/overview/azure/identity-readme"
_REGIONS = "learn.microsoft.com/azure/cost-management-billing/manage/region-optimization"
_OURS = "tradewind's own finding"

# what a person can do
_LOG_IN = "log in again: az login"
_MISSING = "`tradewind check azure` names what is missing"
_CHOOSE = "choose another: az account set --subscription SUBSCRIPTION_ID"
_REGISTER = "register it: az provider register --namespace Microsoft.Compute, and Microsoft.Network"

# code -> its kind, what it covers, for how many seconds trying again is useless, and where that is written
MEANINGS: dict[str, Explanation] = {
    "SkuNotAvailable": Explanation("capacity", "type", 1800, _SKU),
    "AllocationFailed": Explanation("capacity", "type", 900, _ALLOCATION),
    "ZonalAllocationFailed": Explanation("capacity", "type", 900, _ALLOCATION),
    "OverconstrainedAllocationRequest": Explanation("capacity", "type", 900, _ALLOCATION),
    "OverconstrainedZonalAllocationRequest": Explanation("capacity", "type", 900, _ALLOCATION),
    "OutOfCapacity": Explanation("capacity", "type", 900, _ALLOCATION),
    "CapacityNotAvailable": Explanation("capacity", "type", 900, _ALLOCATION),
    "InsufficientCapacity": Explanation("capacity", "type", 900, _ALLOCATION),
    "LocationNotAvailableForResourceType": Explanation("request", "region", 86400, _ARM),
    "LocationNotAvailableForResourceGroup": Explanation("request", "region", 86400, _ARM),
    "OperationPreempted": Explanation("capacity", "type", 300, _COMPUTE),
    "VMEvicted": Explanation("capacity", "type", 300, _SPOT),
    "QuotaExceeded": Explanation("quota", "region", 3600, _QUOTA),
    "ResourceQuotaExceeded": Explanation("quota", "region", 3600, _QUOTA),
    "PublicIPCountLimitReached": Explanation("quota", "region", 3600, _QUOTA),
    "ResourceGroupQuotaExceeded": Explanation("quota", "cloud", 3600, _QUOTA),
    "OperationNotAllowed": Explanation("request", "type", 600, f"{_QUOTA}; a quota only when its text says so"),
    "SpotPriceGreaterThanProvidedMaxPrice": Explanation("price", "type", 600, _SPOT),
    "MaxPriceValueInvalid": Explanation("request", "type", 3600, _SPOT),
    "AzureSpotIsNotSupportedForThisVMSize": Explanation("request", "type", 86400, _SPOT),
    "AzureSpotFeatureNotEnabledForSubscription": Explanation("permission", "cloud", 86400, _SPOT),
    "VMPriorityCannotBeApplied": Explanation("request", "type", 3600, _SPOT),
    "AuthorizationFailed": Explanation("permission", "cloud", 600, _ARM, _MISSING),
    "LinkedAuthorizationFailed": Explanation("permission", "cloud", 600, _ARM, _MISSING),
    "AuthenticationFailed": Explanation("permission", "cloud", 300, _ARM, _LOG_IN),
    "InvalidAuthenticationToken": Explanation("permission", "cloud", 300, _ARM, _LOG_IN),
    "InvalidAuthenticationTokenTenant": Explanation("permission", "cloud", 300, _ARM, _LOG_IN),
    "ExpiredAuthenticationToken": Explanation("permission", "cloud", 300, _ARM, _LOG_IN),
    "SubscriptionNotFound": Explanation("permission", "cloud", 600, _ARM, _CHOOSE),
    "InvalidSubscriptionId": Explanation("permission", "cloud", 600, _ARM, _CHOOSE),
    "ReadOnlyDisabledSubscription": Explanation("permission", "cloud", 86400, _ARM),
    "DisallowedProvider": Explanation("permission", "cloud", 86400, _ARM),
    "MissingSubscriptionRegistration": Explanation("permission", "cloud", 600, _ARM, _REGISTER),
    "SubscriptionNotRegistered": Explanation("permission", "cloud", 600, _ARM, _REGISTER),
    "RequestDisallowedByPolicy": Explanation(
        "permission",
        "region",
        86400,
        _ARM,
        "name a region that the policy allows, or have its administrator allow this one",
    ),
    "RequestDisallowedByAzure": Explanation(
        "permission",
        "region",
        86400,
        _REGIONS,
        "name another region, or have Azure's support open this one for the subscription",
    ),
    "ScopeLocked": Explanation("permission", "cloud", 3600, _ARM),
    "PlatformImageNotFound": Explanation("image", "type", 86400, _COMPUTE),
    "ImageNotFound": Explanation("image", "type", 86400, _COMPUTE),
    "ResourcePurchaseValidationFailed": Explanation("image", "type", 86400, _COMPUTE),
    "MarketplacePurchaseEligibilityFailed": Explanation("image", "type", 86400, _COMPUTE),
    "InvalidParameter": Explanation("request", "type", 3600, _COMPUTE),
    "BadRequest": Explanation("request", "type", 3600, _ARM),
    "InvalidRequestContent": Explanation("request", "type", 3600, _ARM),
    "InvalidRequestFormat": Explanation("request", "type", 3600, _ARM),
    "InvalidTemplate": Explanation("request", "type", 3600, _ARM),
    "PropertyChangeNotAllowed": Explanation("request", "type", 3600, _COMPUTE),
    "NoRegisteredProviderFound": Explanation("request", "region", 86400, _ARM),
    "InvalidResourceReference": Explanation("request", "region", 60, _ARM),
    "NotFound": Explanation("request", "region", 60, _ARM),
    "ResourceNotFound": Explanation("request", "region", 0, _ARM),
    "ResourceGroupNotFound": Explanation("request", "region", 0, _ARM),
    "PreconditionFailed": Explanation("request", "type", 0, "learn.microsoft.com/rest/api/compute (If-None-Match)"),
    "Conflict": Explanation("transient", "region", 15, _ARM),
    "AnotherOperationInProgress": Explanation("transient", "region", 15, _ARM),
    "ResourceGroupBeingDeleted": Explanation("transient", "region", 30, _ARM),
    "InUse": Explanation("transient", "region", 15, _ARM),
    "RetryableError": Explanation("transient", "region", 15, _COMPUTE),
    "NetworkingInternalOperationError": Explanation("transient", "region", 30, _COMPUTE),
    "InternalExecutionError": Explanation("transient", "region", 30, _COMPUTE),
    "InternalOperationError": Explanation("transient", "region", 30, _COMPUTE),
    "InternalServerError": Explanation("transient", "region", 30, _ARM),
    "ServiceUnavailable": Explanation("transient", "region", 30, _ARM),
    "GatewayTimeout": Explanation("transient", "region", 30, _ARM),
    "ServerTimeout": Explanation("transient", "region", 30, _ARM),
    "OSProvisioningTimedOut": Explanation("transient", "type", 60, _COMPUTE),
    "OSProvisioningClientError": Explanation("image", "type", 3600, _COMPUTE),
    "VMExtensionProvisioningError": Explanation("image", "type", 3600, _COMPUTE),
    "VMExtensionProvisioningTimeout": Explanation("transient", "type", 60, _COMPUTE),
    "TooManyRequests": Explanation("throttle", "cloud", 60, _THROTTLE),
    "SubscriptionRequestsThrottled": Explanation("throttle", "cloud", 60, _THROTTLE),
    "OperationNotAllowedDueToThrottling": Explanation("throttle", "cloud", 60, _THROTTLE),
    # before any call
    "NO_CREDENTIALS": Explanation("permission", "cloud", 60, _IDENTITY),
    clock.CODE: clock.MEANING,
    "CREDENTIALS_REFUSED": Explanation("permission", "cloud", 60, _IDENTITY),
    "NO_SUBSCRIPTION": Explanation("permission", "cloud", 60, _OURS),
    "NO_LIBRARY": Explanation("permission", "cloud", 60, _OURS),
    "UNREACHABLE": Explanation("transient", "cloud", 30, _OURS),
    # what the provider itself finds
    "TOKEN_MISMATCH": Explanation("request", "type", 0, _OURS),
    "VANISHED": Explanation("capacity", "type", 300, _OURS),
    "TIME_OUT": Explanation("transient", "region", 30, _OURS),
    "NOT_AS_ASKED": Explanation("request", "cloud", 60, _OURS),
    "NOT_SOLD_HERE": Explanation("request", "type", 86400, _OURS),
    "NOT_FOR_SUBSCRIPTION": Explanation("quota", "type", 86400, f"{_SKU} (reasonCode of the SKU list)"),
    "NO_IMAGE": Explanation("image", "type", 86400, _OURS),
    "NO_KEY": Explanation("request", "cloud", 0, _OURS),
    "NO_CONNECTION": Explanation("request", "cloud", 0, _OURS),
}

# A code that says more in its text: the first pattern that is found decides.
_FINER = (
    # the quota of a family's cores leaves other families alone, those of the region and of spot do not
    Finer(
        "OperationNotAllowed|QuotaExceeded", r"(?i)exceeding approved \w+family cores quota", "quota", "family", 3600
    ),
    Finer("OperationNotAllowed|QuotaExceeded", r"(?i)exceeding approved .*quota|quota", "quota", "region", 3600),
    Finer("SkuNotAvailable", r"(?i)for this subscription", "quota", "type", 86400),
)

TABLE = ErrorTable(
    CLOUD,
    MEANINGS,
    finer=_FINER,
    unknown_scope="region",
    gone=("ResourceNotFound", "ResourceGroupNotFound", "NotFound"),
    login=(
        "AuthenticationFailed", "InvalidAuthenticationToken", "InvalidAuthenticationTokenTenant", "ExpiredAuthenticationToken",
        "NO_CREDENTIALS", "CREDENTIALS_REFUSED", clock.CODE,
    ),
)  # fmt: skip
refusal, classify = TABLE.refusal, TABLE.classify
is_gone, unless_gone = TABLE.is_gone, TABLE.unless_gone


def is_ambiguous(error: ProviderError) -> bool:
    """Whether the call may have taken effect although it failed, or another like it did."""
    return error.code == "PreconditionFailed" or TABLE.is_transient(error)
