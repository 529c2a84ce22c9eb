"""Credentials as the AWS CLI leaves them, clients made when first needed, and threads to call them in.

A blocking SDK is called in a pool of its own: asyncio's default pool has six threads on two cores, and a gang of twenty would queue in it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from tradewind.broker.clouds.aws.errors import TABLE, refusal, translate
from tradewind.broker.clouds.vendor_session import VendorCalls

T = TypeVar("T")
THREADS = 32
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 60  # botocore's own are 60 and 60: a dead network should be named sooner
READ_ATTEMPTS = 5
DEFAULT_REGION = "us-east-1"


class AwsSession:
    """One account's clients, made lazily and shared by all threads (botocore's clients may be, its sessions may not).

    Credentials come from botocore's own chain: environment, `~/.aws/credentials`, `aws sso login`, process, container or instance role;
    `profile` picks one of the profiles. `endpoint_url` and keys given here are for tests and compatible services.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        self._profile, self._endpoint_url = profile, endpoint_url
        self._access_key, self._secret_key = access_key, secret_key
        self._session: Any = None
        self._calls = VendorCalls("aws", translate, threads=THREADS, table=TABLE)
        self._calls.forget = self._forget

    async def call(
        self, region: str, service: str, operation: str, *, once: bool = False, **arguments: Any
    ) -> dict[str, Any]:
        """The answer to one operation (boto3's method name), made in a thread.

        `once` sends it exactly once: for calls that buy, where a retry inside the SDK would hide a refusal (EC2's lack of capacity is an
        HTTP 500, which the SDK takes for a passing fault). Others are tried again as AWS advises (standard mode: throttling, 5xx, connection).

        Raises:
            ProviderError: AWS refused, or could not be reached.
        """

        def work() -> dict[str, Any]:
            return getattr(self.client(service, region, once=once), operation)(**arguments)  # type: ignore[no-any-return]

        return await self.in_thread(work)

    async def pages(
        self, region: str, service: str, operation: str, key: str, **arguments: Any
    ) -> list[dict[str, Any]]:
        """All items under `key` of all pages of a listing. Raises ProviderError."""

        def work() -> list[dict[str, Any]]:
            pages = self.client(service, region).get_paginator(operation).paginate(**arguments)
            return [item for page in pages for item in page.get(key, [])]

        return await self.in_thread(work)

    @property
    def heard(self) -> int:
        """How many calls AWS has not turned away."""
        return self._calls.heard

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called before every call, and what it raises keeps the call from being made."""
        self._calls.guard = check

    async def in_thread(self, work: Callable[[], T]) -> T:
        """What `work` returns, run in a thread; the SDK's exceptions come out as ProviderError."""
        return await self._calls.run(work)

    def client(self, service: str, region: str, *, once: bool = False) -> Any:
        """A client of one service in one region. Raises ProviderError when boto3 is not installed."""
        return self._calls.client((service, region, once), lambda: self._make(service, region, once=once))

    def _make(self, service: str, region: str, *, once: bool) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise refusal("NotInstalled", 'boto3 is not installed here; pip install "tradewind[aws]"') from error
        if self._session is None:
            self._session = boto3.Session(
                botocore_session=_core_session(self._profile),
                aws_access_key_id=self._access_key,
                aws_secret_access_key=self._secret_key,
            )
        attempts = 1 if once else READ_ATTEMPTS
        config = Config(
            retries={"total_max_attempts": attempts, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=THREADS,
            user_agent_extra="tradewind",
        )
        return self._session.client(service, region_name=region, endpoint_url=self._endpoint_url, config=config)

    def _forget(self) -> None:
        """The credentials that botocore has read: those that lie there now are read with the next client."""
        self._session = None

    def home_region(self) -> str:
        """The region that the profile or environment names, else us-east-1. Raises nothing."""
        with contextlib.suppress(Exception):
            import boto3

            return boto3.Session(profile_name=self._profile).region_name or DEFAULT_REGION
        return DEFAULT_REGION

    def has_credentials(self) -> bool:
        """Whether any credentials lie where the AWS CLI leaves them; nothing is asked of the network but by a role's own source."""
        if self._access_key:
            return True
        with contextlib.suppress(Exception):
            import boto3

            return boto3.Session(profile_name=self._profile).get_credentials() is not None
        return False

    def close(self) -> None:
        """Connections and threads are gone."""
        self._calls.close()


def _core_session(profile: str | None) -> Any:
    """A botocore session that shares the parsed descriptions of AWS's APIs: EC2's alone takes half a second to read."""
    from botocore.session import Session

    session = Session(profile=profile)
    session.register_component("data_loader", _loader())
    return session


@functools.cache
def _loader() -> Any:
    from botocore.loaders import create_loader

    return create_loader()
