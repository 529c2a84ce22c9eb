"""Google Cloud credentials, found where gcloud leaves them, and the vendor's clients, imported when first used.

Order: GOOGLE_APPLICATION_CREDENTIALS; `gcloud auth application-default login`; `gcloud auth login`. Project: GOOGLE_CLOUD_PROJECT or
CLOUDSDK_CORE_PROJECT, gcloud's active configuration, the credentials' own. Reading these files starts no program and calls nobody.
"""

from __future__ import annotations

import configparser
import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from tradewind.broker.clouds.gcp.errors import TABLE, refusal
from tradewind.broker.clouds.vendor_session import VendorCalls, VendorSession
from tradewind.broker.provider import ProviderError

LOGIN = "gcloud auth application-default login"
INSTALL = "pip install 'tradewind[gcp]'"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
CALL_TIMEOUT_S = 30.0


class Found(msgspec.Struct, frozen=True):
    """Where credentials lie: a file that Google's library reads, or the account within gcloud's own store; and the project to work in."""

    file: str = ""
    gcloud_account: str = ""
    project: str = ""


class Settings(msgspec.Struct, frozen=True):
    """What a person may set. `service_account` is the e-mail of the account that instances act as, "" for none.

    An address of an API is a host, or a URL where a test serves it. A machine that has not let us in by SSH after `boot_deadline_s` seconds
    is given up.
    """

    project: str = ""
    network: str = "default"
    service_account: str = ""
    compute_endpoint: str = "compute.googleapis.com"
    tpu_endpoint: str = "tpu.googleapis.com"
    projects_endpoint: str = "https://cloudresourcemanager.googleapis.com"
    poll_interval_s: float = 1.0
    retry_first_s: float = 0.5
    retry_for_s: float = 45.0
    boot_deadline_s: float = 300.0


def find() -> Found:
    """The credentials and project on this machine; empty fields for what is not there."""
    config = os.environ.get("CLOUDSDK_CONFIG") or os.path.join(os.path.expanduser("~"), ".config", "gcloud")
    account, project = _active_configuration(config)
    project = os.environ.get("GOOGLE_CLOUD_PROJECT") or os.environ.get("CLOUDSDK_CORE_PROJECT") or project
    for path in (
        os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", ""),
        os.path.join(config, "application_default_credentials.json"),
    ):
        if path and os.path.isfile(path):
            return Found(file=path, project=project or _project_in(path))
    if account and os.path.isfile(os.path.join(config, "credentials.db")):
        return Found(file=os.path.join(config, "credentials.db"), gcloud_account=account, project=project)
    return Found(project=project)


def _active_configuration(config: str) -> tuple[str, str]:
    """The account and project of gcloud's active configuration."""
    try:
        with open(os.path.join(config, "active_config"), encoding="utf-8") as file:
            name = file.read().strip()
    except OSError:
        name = "default"
    name = os.environ.get("CLOUDSDK_ACTIVE_CONFIG_NAME") or name
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(os.path.join(config, "configurations", f"config_{name}"), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return "", ""
    return parser.get("core", "account", fallback=""), parser.get("core", "project", fallback="")


def _project_in(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return ""
    found = content.get("project_id") or content.get("quota_project_id") if isinstance(content, dict) else ""
    return found if isinstance(found, str) else ""


def load_credentials(found: Found) -> Any:
    """Google's credentials object. Raises ProviderError where there are none, or their file cannot be read."""
    try:
        import google.auth
        import google.auth.exceptions
        import google.oauth2.credentials
        import google.oauth2.service_account
    except ImportError as error:
        raise refusal("NO_LIBRARY", f"Google's libraries are not installed; run: {INSTALL}") from error
    if not found.file:
        raise refusal("NO_CREDENTIALS", f"no Google Cloud credentials were found on this machine; run: {LOGIN}")
    try:
        info = _from_gcloud(found.file, found.gcloud_account) if found.gcloud_account else _read_json(found.file)
        # the two usual kinds are made by name, which Google advises; the library's own search would also start gcloud for the project
        if info.get("type") == "service_account":
            return google.oauth2.service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
        if info.get("type") == "authorized_user":
            return google.oauth2.credentials.Credentials.from_authorized_user_info(info, scopes=[SCOPE])
        if info.get("type") not in (
            "external_account",
            "external_account_authorized_user",
            "impersonated_service_account",
        ):
            raise ValueError(f"credentials of the kind {info.get('type')!r} are not known")
        return google.auth.default(scopes=[SCOPE])[0]
    except (google.auth.exceptions.GoogleAuthError, ValueError, KeyError, sqlite3.Error, OSError) as error:
        why = " ".join(str(error).split())
        raise refusal(
            "NO_CREDENTIALS", f"the credentials in {found.file} cannot be read ({why}); run: {LOGIN}"
        ) from error


def _read_json(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        info = json.load(file)
    if not isinstance(info, dict):
        raise ValueError("it holds no credentials")  # noqa: TRY004  the caller asks for one kind
    return info


def _from_gcloud(path: str, account: str) -> dict[str, Any]:
    """What `gcloud auth login` stored for the account."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT value FROM credentials WHERE account_id = ?", (account,)).fetchone()
    finally:
        connection.close()
    if row is None:
        raise ValueError(f"gcloud holds no credentials of {account}")
    info = json.loads(row[0])
    if not isinstance(info, dict):
        raise ValueError(f"what gcloud holds of {account} is no account")  # noqa: TRY004  the caller asks for one kind
    return info


def _translate(error: Exception) -> ProviderError | None:
    if isinstance(error, ImportError):
        return refusal("NO_LIBRARY", f"Google's libraries are not installed; run: {INSTALL}")
    from tradewind.broker.clouds.gcp.translate import translate

    return translate(error)


def _close(client: Any) -> None:
    getattr(client, "transport", client).close()


class Session(VendorSession[Settings, Found]):
    """One account on one project. `call` runs the vendor's blocking code in threads and translates what it raises."""

    def __init__(
        self, settings: Settings | None = None, *, credentials: Any = None, found: Found | None = None
    ) -> None:
        calls = VendorCalls("gcp", _translate, close=_close, table=TABLE)
        super().__init__(calls, settings or Settings(), credentials=credentials, found=found)

    def _find(self) -> Found:
        return find()

    def _load(self, found: Found) -> Any:
        return load_credentials(found)

    @property
    def project(self) -> str:
        """The project to work in. Raises ProviderError when none is named anywhere."""
        project = self.settings.project or self.found.project
        if not project:
            raise refusal("NO_PROJECT", "no Google Cloud project is set; run: gcloud config set project PROJECT_ID")
        return project

    def retry(self) -> Any:
        """How calls that only read are tried again: throttling, 5xx and broken connections, for `retry_for_s`."""
        from google.api_core import exceptions, retry
        from requests.exceptions import ConnectionError as Broken

        transient = retry.if_exception_type(
            exceptions.TooManyRequests,
            exceptions.InternalServerError,
            exceptions.BadGateway,
            exceptions.ServiceUnavailable,
            exceptions.GatewayTimeout,
            Broken,
        )
        return retry.Retry(
            transient, initial=self.settings.retry_first_s, maximum=8.0, timeout=self.settings.retry_for_s
        )

    def compute(self, name: str) -> Any:
        """The client of that name in google.cloud.compute_v1."""

        def make(options: Any) -> Any:
            from google.cloud import compute_v1

            return getattr(compute_v1, name)(credentials=self.credentials(), client_options=options)

        return self._client(name, self.settings.compute_endpoint, make)

    def tpus(self) -> Any:
        """tpu_v2.TpuClient over REST: its default, gRPC, would start threads of its own."""

        def make(options: Any) -> Any:
            from google.cloud import tpu_v2

            return tpu_v2.TpuClient(credentials=self.credentials(), transport="rest", client_options=options)

        return self._client("TpuClient", self.settings.tpu_endpoint, make)

    def read(self, path: str) -> dict[str, Any]:
        """What stands at that path of Compute Engine, below the project. Blocks: for `call`.

        Without the vendor's client, whose import takes a second and a half of a processor: what is asked before anything is bought, by `check` and
        for a plan, is asked this way.
        """
        endpoint = self.settings.compute_endpoint
        address = f"{endpoint if '://' in endpoint else f'https://{endpoint}'}/compute/v1/projects/{self.project}{path}"
        found: dict[str, Any] = self.retry()(lambda: self._json(self.http().get(address, timeout=CALL_TIMEOUT_S)))()
        return found

    def ask(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to what is posted there. Blocks: for `call`."""
        return self._json(self.http().post(address, json=body, timeout=CALL_TIMEOUT_S))

    @staticmethod
    def _json(answer: Any) -> dict[str, Any]:
        if answer.status_code >= 400:
            from google.api_core.exceptions import from_http_response

            raise from_http_response(answer)
        found: dict[str, Any] = answer.json()
        return found

    def http(self) -> Any:
        """An authorised requests session."""

        def make(_: Any) -> Any:
            from google.auth.transport.requests import AuthorizedSession

            return AuthorizedSession(self.credentials())

        return self._client("http", "", make)

    def _client(self, name: str, endpoint: str, make: Callable[[Any], Any]) -> Any:
        from google.api_core.client_options import ClientOptions

        return self._calls.client(name, lambda: make(ClientOptions(api_endpoint=endpoint)))
