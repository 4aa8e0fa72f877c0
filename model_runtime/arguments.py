"""The source arguments, which `resolve` and `prepare` share, as one frozen value; messages name the flag."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from model_runtime import termination
from model_runtime.credentials import Credentials, check_not_in_clear
from model_runtime.errors import CaBundleMissing, InvalidArgument
from model_runtime.fetch.egress import Egress, read_egress
from model_runtime.fetch.pace import DEFAULT_LIMITS, Limits
from model_runtime.manifest import is_manifest_digest
from model_runtime.selection import is_gguf

# An hour; a day of silence would be a mistake.
_MOST_SECONDS = 3600.0
SCHEMES = ("hf", "https", "http", "oci", "pvc", "s3")


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose mistakes end as the reason InvalidArgument, in the termination log."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting.

        Raises:
            InvalidArgument: always.

        """
        raise InvalidArgument(message)


@dataclass(frozen=True, slots=True)
class SourceArguments:
    """Where the model comes from. `revision` and `digest` are None until they are resolved.

    `credentials_name` and `ca_bundle_name` say to people what is mounted there: "Secret hub-token".
    Without `egress` no policy is enforced. `claim` is where the claim of a `pvc://` source is mounted. `limits` is what
    is borne of a slow source.
    """

    uri: str
    revision: str | None = None
    digest: str | None = None
    endpoint: str | None = None
    region: str | None = None
    file: str | None = None
    ca_bundle: Path | None = None
    credentials: Path | None = None
    ca_bundle_name: str | None = None
    credentials_name: str | None = None
    egress: Egress | None = None
    claim: Path | None = None
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        """Check what can be checked without the source.

        Raises:
            InvalidArgument: names the flag, the value and what would be right.
            CaBundleMissing: there is no file of certificates.

        """
        _check_uri(self.uri)
        if self.endpoint is not None and urlsplit(self.endpoint).scheme not in {"http", "https"}:
            raise InvalidArgument(f"--endpoint {self.endpoint!r}: expected http://host:port or https://host:port")
        if self.file is not None and not is_gguf(self.file):
            raise InvalidArgument(f"--file {self.file!r}: expected the name of a .gguf file in the folder")
        if self.digest is not None and not is_manifest_digest(self.digest):
            raise InvalidArgument(f"--digest {self.digest!r}: expected sha256:<64 lower-case hex digits>")
        if self.ca_bundle is not None and not self.ca_bundle.is_file():
            raise CaBundleMissing(f"{self.ca_bundle_name or f'--ca-bundle {self.ca_bundle}'} is not there")
        if self.credentials is not None and not self.credentials.is_dir():
            raise InvalidArgument(f"--credentials {self.credentials}: expected the folder of a mounted Secret")
        if self.claim is not None and not self.claim.is_dir():
            raise InvalidArgument(f"--claim {self.claim}: expected the folder of a mounted claim")

    @property
    def secret(self) -> Credentials | None:
        """The mounted Secret, or None when none was given."""
        if self.credentials is None:
            return None
        return Credentials(self.credentials, self.credentials_name or f"--credentials {self.credentials}")

    def credential(self, key: str, url: str) -> str | None:
        """Return the value of the Secret that is to be sent to the URL, or None when no Secret was given.

        Raises:
            CredentialsMissing: the Secret is not there, or lacks the key.
            CredentialsRefused: the Secret does not name the URL's host.
            InvalidArgument: the value would cross the network in clear, or cannot be sent.

        """
        if self.secret is None:
            return None
        value = self.secret.value(key)
        check_not_in_clear(url)
        self.secret.check_host(url)
        return value


def _check_uri(text: str) -> None:
    if {"@", "?", "#"} & set(text):
        # Not repeated in the message: such parts carry passwords and signatures.
        raise InvalidArgument("--uri: expected no user, query or fragment in it; credentials belong in a Secret")
    try:
        uri = urlsplit(text)
    except ValueError as error:
        raise InvalidArgument(f"--uri {text!r}: {error}") from error
    if uri.scheme not in SCHEMES or not uri.netloc:
        raise InvalidArgument(
            f"--uri {text!r}: expected hf://organization/name, s3://bucket/prefix, https://host/folder, "
            "oci://host/repository or pvc://claim/folder"
        )


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the source arguments and `--termination-log`."""
    parser.add_argument("--uri", required=True)
    for flag in (
        "--revision",
        "--digest",
        "--endpoint",
        "--region",
        "--file",
        "--ca-bundle-name",
        "--credentials-name",
    ):
        parser.add_argument(flag)
    for flag in ("--ca-bundle", "--credentials", "--claim"):
        parser.add_argument(flag, type=Path)
    parser.add_argument("--egress", type=Path, metavar="FILE", help="the egress policy; left out nothing is enforced")
    parser.add_argument("--silence-seconds", type=_seconds, default=DEFAULT_LIMITS.silence_seconds, metavar="N")
    parser.add_argument("--slow-seconds", type=_seconds, default=DEFAULT_LIMITS.slow_seconds, metavar="N")
    termination.add_argument(parser)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _MOST_SECONDS:
        raise ValueError(text)
    return seconds


def source_arguments(namespace: argparse.Namespace) -> SourceArguments:
    """Return the source arguments of a parsed command line; an empty value counts as left out."""
    return SourceArguments(
        uri=namespace.uri,
        revision=namespace.revision or None,
        digest=namespace.digest or None,
        endpoint=namespace.endpoint or None,
        region=namespace.region or None,
        file=namespace.file or None,
        ca_bundle=namespace.ca_bundle,
        credentials=namespace.credentials,
        ca_bundle_name=namespace.ca_bundle_name or None,
        credentials_name=namespace.credentials_name or None,
        egress=read_egress(namespace.egress, os.environ) if namespace.egress else None,
        claim=namespace.claim,
        limits=Limits(silence_seconds=namespace.silence_seconds, slow_seconds=namespace.slow_seconds),
    )


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line after adding the source arguments."""
    add_source_arguments(parser)
    return parser.parse_args(argv)
