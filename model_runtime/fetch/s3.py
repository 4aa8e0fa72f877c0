"""Models under a prefix of a bucket: `s3://bucket/prefix`, on AWS or on any server of the S3 API (`--endpoint`).

Digests come from the prefix's `SHA256SUMS` object, else from the objects' own full SHA-256 checksums. `--credentials`
holds `accessKeyId` and `secretAccessKey`; without it requests are not signed, as public buckets want it.
"""

import base64
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.session import Session
from urllib3.exceptions import HTTPError

from model_runtime.arguments import SourceArguments
from model_runtime.errors import (
    ConnectionCut,
    DigestMissing,
    InvalidModel,
    SourceNotFound,
    SourceTimeout,
    SourceUnreachable,
)
from model_runtime.fetch.enforcement import check_url, refusal
from model_runtime.fetch.http import CONNECT_SECONDS, body, status_error, unreachable
from model_runtime.fetch.pace import Pace
from model_runtime.fetch.source import (
    Answer,
    Listing,
    Version,
    beginning,
    listing_by_digest,
    range_header,
    ranged,
)
from model_runtime.fetch.trust import trusted_file
from model_runtime.manifest import SUMS_NAME, FileEntry, Manifest, parse_sums
from model_runtime.selection import select

_MAX_SUMS_BYTES = 4 << 20
# What AWS takes for a bucket without a region; other servers ignore it.
_DEFAULT_REGION = "us-east-1"
# botocore's own settings that name files, each (in files, in the environment, default, conversion): none is read.
_NO_FILES = {
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "profile": (None, None, None, None),
    "data_path": (None, None, None, None),
}


@contextmanager
def s3_listing(arguments: SourceArguments) -> Iterator[Listing]:
    """Give the listing of an `s3://` prefix."""
    uri = urlsplit(arguments.uri)
    prefix = f"{uri.path.strip('/')}/" if uri.path.strip("/") else ""
    with trusted_file(arguments.ca_bundle) as trusted, closing(make_client(arguments, trusted)) as client:
        folder = _Folder(client, uri.netloc, prefix, Pace(arguments.limits))
        with reasons(arguments.uri):
            manifest = _manifest(folder, arguments.file)
        yield listing_by_digest(arguments.revision, manifest, folder.open)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The objects under a prefix, which is empty or ends in a slash."""

    client: Any
    bucket: str
    prefix: str
    pace: Pace

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def object(self, path: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + path}

    def open(self, entry: FileEntry, offset: int, length: int | None = None) -> AbstractContextManager[Answer]:
        return self.open_object(entry.path, offset, length)

    @contextmanager
    def open_object(self, path: str, offset: int, length: int | None) -> Iterator[Answer]:
        what = f"{self}{path}"
        with reasons(what):
            found = self.client.get_object(**self.object(path), **range_header(offset, length))
            with found["Body"] as stream:
                watched = self.pace.watched(what, body(stream))
                chunks = ranged(what, watched, found.get("ContentRange"), offset, length)
                yield Answer(chunks, Version.of(found["ResponseMetadata"]["HTTPHeaders"]))


def _manifest(folder: _Folder, file: str | None) -> Manifest:
    """List the model's objects with their digests: those of SHA256SUMS, if it is there, else the objects' own."""
    sizes = _sizes(folder)
    if SUMS_NAME in sizes:
        sums = _sums(folder, sizes[SUMS_NAME])
        digests = {path: sums[path] for path in select(sums, file)}
    else:
        digests = {path: _checksum(folder, path) for path in select(sizes, file)}
    if missing := sorted(digests.keys() - sizes.keys()):
        raise SourceNotFound(f"{folder}: {missing[0]} is in {SUMS_NAME} but there is no such object")
    return Manifest.of(FileEntry(path, sizes[path], digest) for path, digest in digests.items())


def make_client(arguments: SourceArguments, trusted: str | None) -> Any:  # noqa: ANN401 - made by boto3 while it runs
    """Return the S3 client; it looks for nothing in files, and for no credentials in the environment or on the node.

    `trusted` is the file of the authorities, None for the well-known ones. Proxies come from the environment.

    Raises:
        InvalidArgument: a Secret without the two keys.

    """
    secret = arguments.secret
    keys = [secret.value(key) for key in ("accessKeyId", "secretAccessKey")] if secret else [None, None]
    config = Config(
        signature_version="s3v4" if secret else UNSIGNED,
        # The host is then the one that policies and Secrets name, whatever the bucket; servers other than AWS rarely
        # have a DNS name per bucket anyway.
        s3={"addressing_style": "path", "us_east_1_regional_endpoint": "regional"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=arguments.limits.silence_seconds,
        # Retries are the caller's, who knows how far a download got; its hash is checked there too.
        retries={"total_max_attempts": 1},
        response_checksum_validation="when_required",
    )
    session = boto3.Session(*keys, botocore_session=Session(session_vars=_NO_FILES))
    client = session.client(
        "s3",
        endpoint_url=arguments.endpoint,
        region_name=arguments.region or _DEFAULT_REGION,
        verify=trusted,
        config=config,
    )
    # Also of those by which the library follows a bucket to another region.
    client.meta.events.register("before-send.s3", partial(_check_request, arguments))
    return client


def _check_request(arguments: SourceArguments, request: AWSPreparedRequest, **_: object) -> None:
    """Refuse a request before it is sent: its host by the policy, and by the Secret when it is signed."""
    check_url(arguments.egress, request.url)
    if arguments.secret and "Authorization" in request.headers:
        arguments.secret.check_host(request.url)


@contextmanager
def reasons(what: str) -> Iterator[None]:
    """Turn the exceptions of boto3 and of its streams into the runtime's.

    Raises:
        ModelRuntimeError: SourceNotFound, SourceUnauthorized, SourceUnreachable and its kinds, or EgressRefused.

    """
    try:
        yield
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        raise status_error(what, answer["HTTPStatusCode"], answer["HTTPHeaders"]) from error
    except (BotoCoreError, HTTPError) as error:
        if refused := refusal(error):
            raise refused from error
        raise _unreachable(what, error) from error


def _unreachable(what: str, error: Exception) -> SourceUnreachable:
    if isinstance(error, HTTPError):
        return unreachable(what, error)
    told = f"{what}: {type(error).__name__}: {error}"
    if isinstance(error, ReadTimeoutError):
        return SourceTimeout(told)
    if isinstance(error, ConnectionClosedError):
        return ConnectionCut(told)
    return SourceUnreachable(told)


def _sizes(folder: _Folder) -> dict[str, int]:
    """Return the objects under the prefix by path: size in bytes."""
    pages = folder.client.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=folder.prefix)
    objects = [found for page in pages for found in page.get("Contents", ())]
    # Some tools make an empty object named like a folder.
    sizes = {
        found["Key"].removeprefix(folder.prefix): found["Size"] for found in objects if not found["Key"].endswith("/")
    }
    if not sizes:
        raise SourceNotFound(f"{folder}: no objects under this prefix")
    return sizes


def _sums(folder: _Folder, size: int) -> dict[str, str]:
    if size > _MAX_SUMS_BYTES:
        raise InvalidModel(f"{SUMS_NAME}: {size} bytes: expected at most {_MAX_SUMS_BYTES}")
    with folder.open_object(SUMS_NAME, 0, None) as answer:
        return read_sums(answer)


def read_sums(answer: Answer) -> dict[str, str]:
    """Read a SHA256SUMS object, however long a bucket lists it.

    Raises:
        InvalidModel: it is too long, or of another form.

    """
    content = beginning(answer.chunks, _MAX_SUMS_BYTES + 1)
    if len(content) > _MAX_SUMS_BYTES:
        raise InvalidModel(f"{SUMS_NAME}: more than {_MAX_SUMS_BYTES} bytes")
    return parse_sums(content.decode(errors="replace"))


def _checksum(folder: _Folder, path: str) -> str:
    """Return the object's own SHA-256; a multipart upload has one of checksums (`<base64>-<parts>`), not of bytes."""
    head = folder.client.head_object(**folder.object(path), ChecksumMode="ENABLED")
    checksum = head.get("ChecksumSHA256", "")
    if not checksum or "-" in checksum:
        raise DigestMissing(
            f"{folder}{path} has no SHA-256 of its whole content: put a {SUMS_NAME} beside it, "
            "or upload with --checksum-algorithm SHA256 in one part"
        )
    return f"sha256:{base64.b64decode(checksum).hex()}"
