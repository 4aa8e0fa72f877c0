"""Hosts and address ranges as a ServingPolicy names them: their types for the CRD. Pure.

What a regular expression can say is CEL, so that a wrong entry fails at `kubectl apply`; that a range is written with
its first address can only be said here.
"""

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
HOST_PATTERN = rf"^{_LABEL}(\.{_LABEL})*$"
_ALLOWED_PATTERN = rf"^(\*\.)?{_LABEL}(\.{_LABEL})*$"
_ALLOWED_HELP = "must be a host in small letters, such as models.example.com, or *.example.com for all hosts below it"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_CIDR_PATTERN = (
    rf"^({_BYTE}(\.{_BYTE}){{3}}/(3[0-2]|[12]?[0-9])|[0-9a-fA-F]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
)
_CIDR_HELP = "must be a range of addresses, such as 10.20.0.0/16 or 2001:db8::/32"


def _matches(pattern: str, message: str) -> dict[str, object]:
    return {"x-kubernetes-validations": [{"rule": f"self.matches(r'{pattern}')", "message": message}]}


def _host(text: str) -> str:
    if not re.fullmatch(_ALLOWED_PATTERN, text):
        raise PydanticCustomError("host", _ALLOWED_HELP)
    return text


def _cidr(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise PydanticCustomError("cidr", _CIDR_HELP) from error
    if "/" not in text or text.partition("/")[0].lower() != str(network.network_address):
        raise PydanticCustomError("cidr", "must be written as {network}", {"network": str(network)})
    return str(network)


AllowedHost = Annotated[
    str, AfterValidator(_host), Field(max_length=255, json_schema_extra=_matches(_ALLOWED_PATTERN, _ALLOWED_HELP))
]
AllowedCIDR = Annotated[
    str, AfterValidator(_cidr), Field(max_length=64, json_schema_extra=_matches(_CIDR_PATTERN, _CIDR_HELP))
]


def is_within(host: str, allowed: str) -> bool:
    """Return whether an entry allows a host; `*.example.com` takes every host below example.com, not that one."""
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
