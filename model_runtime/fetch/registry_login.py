"""The right to pull from a registry: what it asks for is answered with the Secret's user, or with nobody.

A registry says with 401 what it wants (RFC 9110 and distribution's token specification): `Basic`, which is user and
password as they are, or `Bearer`, which sends to a token service. What is asked for there is always one repository's
`pull`, whatever the registry would like; and the Secret has to name the service's host too. Called by `oci`.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from model_runtime.arguments import SourceArguments
from model_runtime.errors import SourceUnauthorized
from model_runtime.fetch.http import Client, bearer, fetch_small

_MAX_TOKEN_BYTES = 64 << 10
_SCHEME = re.compile(r"(?:^|,)\s*(basic|bearer)(?=[\s,]|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'([a-z_]+)\s*=\s*"([^"]*)"', re.IGNORECASE)
# What a header can carry.
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for: user and password, or a token of the service at `realm`."""

    wants_token: bool
    realm: str
    service: str


def read_challenge(values: Iterable[str]) -> Challenge | None:
    """Read WWW-Authenticate headers; a token is preferred. None when nothing is asked for that is known here. Pure."""
    found = [challenge for value in values for challenge in _challenges(value)]
    return max(found, key=lambda challenge: challenge.wants_token, default=None)


def _challenges(value: str) -> Iterable[Challenge]:
    _, *parts = _SCHEME.split(value)
    for scheme, rest in zip(parts[::2], parts[1::2], strict=True):
        parameters = {name.lower(): text for name, text in _PARAMETER.findall(rest)}
        yield Challenge(
            wants_token=scheme.lower() == "bearer",
            realm=parameters.get("realm", ""),
            service=parameters.get("service", ""),
        )


@dataclass(frozen=True, slots=True)
class Login:
    """How one repository of a registry is logged in to; `registry` is its URL."""

    arguments: SourceArguments
    client: Client
    registry: str
    repository: str

    def headers(self, challenge: Challenge | None) -> dict[str, str]:
        """Return the headers of the requests for the repository, asking for a new token where the challenge wants one.

        Raises:
            CredentialsRefused: the Secret does not name the registry, or its token service.
            CredentialsMissing, InvalidArgument: as SourceArguments.credential.
            ModelRuntimeError: from the token service.

        """
        secret = self.arguments.secret
        keys = secret.keys() if secret else frozenset()
        if "token" in keys and "username" not in keys:
            return bearer(self.arguments.credential("token", self.registry))
        # Read even when nobody asks for them, so that a wrong Secret is not found out later.
        account = self._account(self.registry)
        if challenge is None:
            return {}
        return bearer(self._token(challenge)) if challenge.wants_token else account

    def _account(self, url: str) -> dict[str, str]:
        user, password = (self.arguments.credential(key, url) for key in ("username", "password"))
        if user is None:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}

    def _token(self, challenge: Challenge) -> str:
        if urlsplit(challenge.realm).scheme not in {"http", "https"}:
            raise SourceUnauthorized(
                f"{self.registry}: its token service is {challenge.realm[:80]!r}: expected an https URL"
            )
        wanted = {"service": challenge.service, "scope": f"repository:{self.repository}:pull"}
        service = urlsplit(challenge.realm)
        query = dict(parse_qsl(service.query, keep_blank_values=True)) | wanted
        url = urlunsplit(service._replace(query=urlencode(query)))
        answer = fetch_small(self.client, url, self._account(challenge.realm), _MAX_TOKEN_BYTES)
        return read_token(challenge.realm, answer)


def read_token(service: str, answer: bytes) -> str:
    """Return the token in the answer of a service. Pure.

    Raises:
        SourceUnauthorized: there is none; what is there instead is not repeated.

    """
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        document = None
    match document:
        case {"token": str(token)} | {"access_token": str(token)} if _TOKEN.fullmatch(token):
            return token
        case _:
            raise SourceUnauthorized(f"{service}: expected a JSON object with a token")
