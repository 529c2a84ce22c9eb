"""What works on this Google Cloud account, which permission is missing by name, and the one command that mends it."""

from __future__ import annotations

from collections.abc import Iterable

from tradewind.broker.capabilities import Finding
from tradewind.broker.clouds.gcp.errors import TABLE, classify, refusal
from tradewind.broker.clouds.gcp.session import LOGIN, Session
from tradewind.broker.provider import ProviderError

# The permissions of each call (cloud.google.com/compute/docs/reference/rest/v1, each method's "IAM Permissions"; cloud.google.com/tpu/docs/
# permissions-reference). A test holds this table to the calls that are really made, and the documentation to this table.
PERMISSIONS: dict[str, tuple[str, ...]] = {
    "compute.instances.insert": (
        "compute.instances.create",
        "compute.instances.setLabels",
        "compute.instances.setMetadata",
        "compute.instances.setTags",
        "compute.disks.create",
        "compute.disks.setLabels",
        "compute.subnetworks.use",
        "compute.subnetworks.useExternalIp",
    ),
    "compute.instances.get": ("compute.instances.get",),
    "compute.instances.aggregatedList": ("compute.instances.list",),
    "compute.instances.delete": ("compute.instances.delete",),
    "compute.instances.stop": ("compute.instances.stop",),
    "compute.instances.start": ("compute.instances.start",),
    "compute.instances.getGuestAttributes": ("compute.instances.getGuestAttributes",),
    "compute.instances.getSerialPortOutput": ("compute.instances.getSerialPortOutput",),
    "compute.disks.aggregatedList": ("compute.disks.list",),
    "compute.disks.delete": ("compute.disks.delete",),
    "compute.firewalls.insert": ("compute.firewalls.create", "compute.networks.updatePolicy"),
    "compute.firewalls.patch": ("compute.firewalls.update", "compute.networks.updatePolicy"),
    "compute.firewalls.list": ("compute.firewalls.list",),
    "compute.firewalls.delete": ("compute.firewalls.delete", "compute.networks.updatePolicy"),
    "compute.networks.get": ("compute.networks.get",),
    "compute.machineTypes.aggregatedList": ("compute.machineTypes.list",),
    "compute.regions.get": ("compute.regions.get",),
    "compute.projects.get": ("compute.projects.get",),
    "compute.zoneOperations.get": ("compute.zoneOperations.get",),
    "compute.zoneOperations.list": ("compute.zoneOperations.list",),
    "compute.globalOperations.get": ("compute.globalOperations.get",),
    "cloudresourcemanager.projects.testIamPermissions": (),
    "tpu.projects.locations.nodes.create": ("tpu.nodes.create",),
    "tpu.projects.locations.nodes.get": ("tpu.nodes.get",),
    "tpu.projects.locations.nodes.list": ("tpu.nodes.list",),
    "tpu.projects.locations.nodes.delete": ("tpu.nodes.delete",),
    "tpu.projects.locations.nodes.stop": ("tpu.nodes.stop",),
    "tpu.projects.locations.nodes.start": ("tpu.nodes.start",),
    "tpu.projects.locations.nodes.getGuestAttributes": ("tpu.nodes.getGuestAttributes",),
    "tpu.projects.locations.operations.get": ("tpu.operations.get",),
}
AS_ACCOUNT = "iam.serviceAccounts.actAs"
ROLE = "tradewind"


def permissions(*, tpu: bool | None = None) -> list[str]:
    """The permissions that a person needs, sorted; only those of TPUs, or only the others, when asked."""
    return sorted(
        {
            permission
            for call, needed in PERMISSIONS.items()
            for permission in needed
            if tpu is None or call.startswith("tpu.") == tpu
        }
    )


async def report(session: Session, *, strict: bool) -> tuple[Finding, ...]:
    """What was found, in the order in which it must be mended. With `strict`, what keeps everything from working is raised instead."""
    findings: list[Finding] = []
    for what, look in (("credentials", _credentials), ("project and permissions", _granted), ("network", _network)):
        try:
            findings += await look(session)
        except ProviderError as error:
            if strict:
                raise
            findings.append(Finding(what, ok=False, why=str(error), mend=_mend(error, session)))
            break
    return tuple(findings)


def verdict(findings: Iterable[Finding], session: Session) -> str:
    """One sentence when it would work. Raises ProviderError with the first thing that is missing."""
    for finding in findings:
        if not finding.ok and finding.what != "TPU permissions":
            code = "IAM_PERMISSION_DENIED" if finding.permission else "notFound"
            raise refusal(code, f"{finding.why}; run: {finding.mend}")
    tpu = next((f for f in findings if f.what == "TPU permissions"), None)
    note = "" if tpu is None or tpu.ok else f"; without TPUs: {tpu.why}"
    return f"gcp: instances can be launched in project {session.project}{note}"


async def _credentials(session: Session) -> list[Finding]:
    await session.call(session.credentials)
    return [Finding("credentials", ok=True, why=session.found.file)]


async def _granted(session: Session) -> list[Finding]:
    wanted, project = permissions(), session.project

    address = f"{session.settings.projects_endpoint}/v1/projects/{project}:testIamPermissions"
    answer = await session.call(lambda: session.ask(address, {"permissions": wanted}))
    granted = set(answer.get("permissions", []))
    findings = [Finding("project", ok=True, why=project)]
    for what, needed in (("permissions", permissions(tpu=False)), ("TPU permissions", permissions(tpu=True))):
        missing = [permission for permission in needed if permission not in granted]
        findings.append(
            Finding(
                what,
                ok=not missing,
                why=f"missing on project {project}: {', '.join(missing)}" if missing else f"all {len(needed)} granted",
                permission=missing[0] if missing else "",
                mend=_grant(project, what, _member(session)) if missing else "",
            )
        )
    return findings


async def _network(session: Session) -> list[Finding]:
    network, project = session.settings.network, session.project
    try:
        await session.call(lambda: session.read(f"/global/networks/{network}"))
    except ProviderError as error:
        if error.code != "notFound":
            raise
        make = f"gcloud compute networks create {network} --subnet-mode=auto --project={project}"
        return [Finding("network", ok=False, why=f"project {project} has no network named {network}", mend=make)]
    return [Finding("network", ok=True, why=network)]


def _member(session: Session) -> str:
    """Who is logged in, as a policy names them. Application default credentials of a person do not say; gcloud does, at the person's shell."""
    account = session.found.gcloud_account or getattr(session.credentials(), "service_account_email", "")
    if not account or account == "default":
        return '"user:$(gcloud config get account)"'
    return f"{'serviceAccount' if account.endswith('.gserviceaccount.com') else 'user'}:{account}"


def _grant(project: str, what: str, member: str) -> str:
    role = "roles/tpu.admin" if what == "TPU permissions" else "roles/compute.instanceAdmin.v1"
    if what == "permissions":
        role = f"projects/{project}/roles/{ROLE}"
    return f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role}"


def _mend(error: ProviderError, session: Session) -> str:
    if error.code in ("SERVICE_DISABLED", "accessNotConfigured"):
        return f"gcloud services enable compute.googleapis.com --project={session.project}"
    if error.code == "NO_PROJECT":
        return "gcloud config set project PROJECT_ID"
    if error.code == "NO_LIBRARY":
        return "pip install 'tradewind[gcp]'"
    known = TABLE.find(error.code)
    if known is not None and known.mend:
        return known.mend
    return LOGIN if classify(error, 0).kind == "permission" else "tradewind check gcp"
