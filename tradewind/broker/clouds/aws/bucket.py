"""A bucket of S3, or of what speaks its protocol, as a place for checkpoints. The other way there, s3fs, needs an older botocore than EC2's newest types."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tradewind.broker.bucket import BucketError
from tradewind.broker.clouds.aws.errors import translate
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import ProviderError

T = TypeVar("T")
AT_ONCE = 1000  # DeleteObjects' limit (S3 API reference)
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_MENDS = {
    "NoSuchBucket": "make it first: aws s3 mb s3://{bucket}",
    "NoCredentials": "log in: aws configure",
    "AccessDenied": "the credentials here need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there",
    "403": "the credentials here need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there",
    "InvalidAccessKeyId": "log in again: aws configure",
    "ExpiredToken": "log in again: aws configure, or aws sso login",
}


class S3Bucket:
    """Implements `Bucket` for s3://bucket/prefix, with the credentials that the AWS command line leaves here.

    `AWS_ENDPOINT_URL_S3` leads to a compatible service, as for the AWS command line.
    """

    def __init__(self, uri: str, *, profile: str | None = None) -> None:
        parts = urlsplit(uri)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._uri = uri
        self._session = AwsSession(profile=profile)

    def read(self, name: str) -> bytes | None:
        """What stands there, None where nothing does."""

        def fetch() -> bytes:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read())

        return self._unless_missing(fetch)

    def write(self, name: str, data: bytes) -> None:
        """`data` stands there."""
        with self._refusals():
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def upload(self, source: str, name: str) -> None:
        """The local file's content stands there, sent in parts where it is large."""
        with self._refusals():
            self._client.upload_file(source, self._bucket, self._key(name))

    def download(self, name: str, target: str) -> bool:
        """The content stands in the local file `target`; False where there is none."""

        def fetch() -> bool:
            self._client.download_file(self._bucket, self._key(name), target)
            return True

        return self._unless_missing(fetch) or False

    def names(self, under: str) -> list[str]:
        """Everything that stands below `under`."""
        skip = len(self._key(""))
        with self._refusals():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(under) + "/"
            )
            return [one["Key"][skip:] for page in pages for one in page.get("Contents", ())]

    def remove(self, names: Iterable[str]) -> None:
        """Nothing stands there."""
        keys = [{"Key": self._key(name)} for name in names]
        with self._refusals():
            for first in range(0, len(keys), AT_ONCE):
                some = {"Objects": keys[first : first + AT_ONCE], "Quiet": True}
                self._client.delete_objects(Bucket=self._bucket, Delete=some)

    def close(self) -> None:
        """Its connections are gone."""
        self._session.close()

    @functools.cached_property
    def _client(self) -> Any:
        return self._session.client("s3", self._session.home_region())

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _unless_missing(self, call: Callable[[], T]) -> T | None:
        try:
            with self._refusals():
                return call()
        except BucketError as error:
            if isinstance(error.__cause__, ProviderError) and error.__cause__.code in _MISSING:
                return None
            raise

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, BucketError):
            raise
        except Exception as error:  # whatever the SDK raises: translated by its own code
            known = translate(error)
            mend = _MENDS.get(known.code, "").format(bucket=self._bucket)
            told = f"{self._uri}: {known.message} ({known.code})" + (f"; {mend}" if mend else "")
            raise BucketError(told) from known
