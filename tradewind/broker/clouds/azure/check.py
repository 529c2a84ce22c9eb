"""What works on this Azure subscription, which permission is missing by name, and the one command that mends it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tradewind.broker.capabilities import Finding
from tradewind.broker.clouds.azure.errors import TABLE, classify, refusal
from tradewind.broker.clouds.azure.session import INSTALL, LOGIN, Session
from tradewind.broker.provider import ProviderError

# Each call's own permission has the call's name (learn.microsoft.com/azure/role-based-access-control/resource-provider-operations). A test
# holds this list to the calls that are really made, and the documentation to this list.
CALLS = (
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Compute/locations/operations/read",
    "Microsoft.Compute/locations/usages/read",
    "Microsoft.Compute/skus/read",
    "Microsoft.Compute/virtualMachines/deallocate/action",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/extensions/write",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/start/action",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Network/locations/operations/read",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkSecurityGroups/read",
    "Microsoft.Network/networkSecurityGroups/securityRules/write",
    "Microsoft.Network/networkSecurityGroups/write",
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/write",
    "Microsoft.Resources/subscriptions/resourceGroups/delete",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Resources/subscriptions/resourceGroups/write",
)
# What Azure asks for besides, when a machine is made or a group deleted with what is in it.
LINKED = (
    "Microsoft.Compute/disks/delete",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/virtualMachines/extensions/delete",
    "Microsoft.Compute/virtualMachines/extensions/read",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkSecurityGroups/delete",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Network/publicIPAddresses/delete",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/publicIPAddresses/write",
    "Microsoft.Network/virtualNetworks/delete",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
)
# Lets a machine delete its own group when its lease runs out; all else works without.
SELF_DELETION = "Microsoft.Authorization/roleAssignments/write"
PERMISSIONS = tuple(sorted({*CALLS, *LINKED}))


class Grant(msgspec.Struct, frozen=True):
    """One role that somebody has: what it allows, less what it takes back; `*` stands for anything."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, permission: str) -> bool:
        """Whether this role alone gives the permission."""
        return _any(self.actions, permission) and not _any(self.not_actions, permission)


def missing(grants: Iterable[Grant], wanted: Iterable[str]) -> list[str]:
    """The permissions that none of the roles gives."""
    held = list(grants)
    return [permission for permission in wanted if not any(grant.allows(permission) for grant in held)]


def _any(patterns: Sequence[str], permission: str) -> bool:
    return any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), permission, re.IGNORECASE) for p in patterns)


async def report(session: Session, *, strict: bool) -> tuple[Finding, ...]:
    """What was found, in the order in which it must be mended. With `strict`, what keeps everything from working is raised instead."""
    try:
        subscription = session.subscription
        await session.call(session.credentials)
        grants = await session.call(lambda: _grants(session))
    except ProviderError as error:
        if strict:
            raise
        return (Finding("credentials", ok=False, why=str(error), mend=_mend(error)),)
    lacking = missing(grants, PERMISSIONS)
    alone = missing(grants, [SELF_DELETION]) if session.settings.self_deletion else [SELF_DELETION]
    return (
        Finding("credentials", ok=True, why=session.found.source or "given"),
        Finding("subscription", ok=True, why=subscription),
        Finding(
            "permissions",
            ok=not lacking,
            why=f"missing on subscription {subscription}: {', '.join(lacking)}"
            if lacking
            else f"all {len(PERMISSIONS)} granted",
            permission=lacking[0] if lacking else "",
            mend=_grant(session, "tradewind") if lacking else "",
        ),
        Finding(
            "self-deletion",
            ok=not alone,
            why="machines may not delete their own group when their lease runs out, and then cost until tradewind runs again"
            if alone
            else "machines may delete their own group when their lease runs out",
            permission=SELF_DELETION if alone else "",
            mend=_grant(session, "Role Based Access Control Administrator") if alone else "",
        ),
    )


def verdict(findings: Iterable[Finding], session: Session) -> str:
    """One sentence when it would work. Raises ProviderError with the first thing that is missing."""
    note = ""
    for finding in findings:
        if finding.what == "self-deletion":
            note = "" if finding.ok else f"; {finding.why}"
        elif not finding.ok:
            raise refusal("AuthorizationFailed", f"{finding.why}; run: {finding.mend}")
    return f"azure: machines can be launched in subscription {session.subscription}{note}"


def _grants(session: Session) -> list[Grant]:
    from azure.core.rest import HttpRequest

    address = f"{session.scope()}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    grants: list[Grant] = []
    while address:
        response = session.compute().send_request(HttpRequest("GET", address))
        if response.status_code >= 400:
            from azure.core.exceptions import HttpResponseError

            raise HttpResponseError(response=response)
        body: dict[str, Any] = response.json()
        grants += [
            Grant(tuple(row.get("actions") or ()), tuple(row.get("notActions") or ())) for row in body.get("value", [])
        ]
        address = body.get("nextLink") or ""
    return grants


def _grant(session: Session, role: str) -> str:
    """The command that gives the role to who is logged in: the service principal in the environment, or the person of `az login`."""
    principal = os.environ.get("AZURE_CLIENT_ID", "") if session.found.source == "environment" else ""
    who = principal or '"$(az ad signed-in-user show --query id --output tsv)"'
    return f'az role assignment create --assignee {who} --role "{role}" --scope {session.scope()}'


def _mend(error: ProviderError) -> str:
    if error.code == "NO_SUBSCRIPTION":
        return "az account set --subscription ID"
    if error.code == "NO_LIBRARY":
        return INSTALL
    known = TABLE.find(error.code)
    if known is not None and known.mend:
        return known.mend
    return LOGIN if classify(error, 0).kind == "permission" else "tradewind check azure"
