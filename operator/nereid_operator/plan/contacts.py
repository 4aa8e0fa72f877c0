"""Which hosts a spec would have its pods contact. Pure; called by plan/policy.py.

Only hosts that the spec names or that follow from its URI: where a host redirects to is seen by `model_runtime`, which
has the same lists (render/egress.py). A host that cannot be read with certainty is None, and counts as not allowed.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from nereid_operator.api.destinations import HOST_PATTERN
from nereid_operator.api.model_deployment import CLAIM_SCHEME, Model, ModelDeployment

HUB_HOST = "huggingface.co"
AWS_REGION = "us-east-1"

# Variables by which the libraries of `prepare` go elsewhere than the source says.
_REDIRECTING = frozenset(
    {"HF_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
)
_NETLOC = re.compile(rf"({HOST_PATTERN.strip('^$')})(:[0-9]{{1,5}})?")


class Contact(NamedTuple):
    """A field, what it says, and the host that it leads to; None when that cannot be told."""

    field: str
    value: str
    host: str | None


def contacts(md: ModelDeployment) -> Iterator[Contact]:
    """Yield what the pods would contact: one source, and what variables of the pod name; a claim is only mounted."""
    if not md.spec.model.uri.startswith(CLAIM_SCHEME):
        yield _source(md.spec.model)
    for index, variable in enumerate(md.spec.pod.env if md.spec.pod else ()):
        if variable.name.upper() in _REDIRECTING and variable.value:
            url = variable.value if "://" in variable.value else f"//{variable.value}"
            yield Contact(f"spec.pod.env.{index}.value", variable.value, _host(url))


def _source(model: Model) -> Contact:
    if model.source is not None and model.source.endpoint is not None:
        endpoint = model.source.endpoint
        return Contact("spec.model.source.endpoint", endpoint, _host(endpoint))
    if model.uri.startswith("hf://"):
        return Contact("spec.model.uri", model.uri, HUB_HOST)
    if model.uri.startswith("s3://"):
        region = (model.source.region if model.source else None) or AWS_REGION
        return Contact("spec.model.uri", model.uri, f"s3.{region}.{_aws_domain(region)}")
    return Contact("spec.model.uri", model.uri, _host(model.uri))


def _aws_domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _host(url: str) -> str | None:
    """Return the host of a URL in small letters.

    Parsers differ in what they make of odd characters, so anything but a plain name or IPv4 address is not read.
    """
    try:
        found = _NETLOC.fullmatch(urlsplit(url).netloc.lower())
    except ValueError:
        return None
    return found[1] if found else None
