"""Is the spec one that can be acted upon? Body → `ModelDeployment`, or violations in sentences.

Pure; called first in each pass. The CRD's schema refuses nearly all of this at `kubectl apply`; what gets here was
written past it (an older CRD, a server without CEL) or cannot be said in a schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from nereid_operator.api.conditions import Reason
from nereid_operator.api.model_deployment import CLAIM_SCHEME, URI_HELP, ModelDeployment, parse
from nereid_operator.api.pod_rules import pod_findings
from nereid_operator.api.quantities import MEBIBYTE, quantity
from nereid_operator.api.resources import Body
from nereid_operator.api.runtime_rules import runtime_findings
from nereid_operator.api.traffic_rules import traffic_findings


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with the spec: which field, and a sentence with the value and what would be right."""

    field: str
    message: str
    reason: Reason = Reason.INVALID_SPEC

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def validate(body: Body) -> ModelDeployment | tuple[Violation, ...]:
    """Return the checked object, or everything that is wrong with it."""
    try:
        md = parse(body)
    except ValidationError as error:
        return tuple(violations_of(error))
    found = (*_source_violations(md), *_cache_violations(md), *_runtime_violations(md), *_pod_violations(md))
    return (*found, *_traffic_violations(md)) or md


def violations_of(error: ValidationError) -> Iterator[Violation]:
    """Yield each wrong field that pydantic found."""
    for detail in error.errors(include_url=False):
        field = ".".join(str(part) for part in detail["loc"] if part not in ("str", "int"))
        if field == "spec.model.uri":
            yield Violation(field, f"is {detail['input']!r} and {URI_HELP}")
            continue
        value = "" if detail["type"] == "missing" else f"is {detail['input']!r}: "
        yield Violation(field, f"{value}{detail['msg']}")


def _source_violations(md: ModelDeployment) -> Iterator[Violation]:
    model = md.spec.model
    if model.credentials and model.uri.startswith(CLAIM_SCHEME):
        name = model.credentials.secret_name
        yield Violation("spec.model.credentials", f"names {name!r} but a claim is mounted, not asked: {model.uri}")
    if model.source is None:
        return
    if model.source.region and not model.uri.startswith("s3://"):
        yield Violation(
            "spec.model.source.region", f"is {model.source.region!r} but only s3:// has regions, not {model.uri}"
        )
    if model.source.endpoint and model.uri.startswith(("https://", CLAIM_SCHEME)):
        yield Violation(
            "spec.model.source.endpoint",
            f"is {model.source.endpoint!r} but only s3://, hf:// and oci:// have one, not {model.uri}",
        )


def _cache_violations(md: ModelDeployment) -> Iterator[Violation]:
    cache = md.spec.model.cache
    if cache is None or cache.size is None:
        return
    try:
        if quantity(cache.size) < MEBIBYTE:
            yield Violation("spec.model.cache.size", f"is {cache.size!r} and must be at least 1Mi")
    except ValueError as error:
        yield Violation("spec.model.cache.size", str(error))


def _runtime_violations(md: ModelDeployment) -> Iterator[Violation]:
    yield from (Violation(field, message) for field, message in runtime_findings(md.spec.runtime))


def _pod_violations(md: ModelDeployment) -> Iterator[Violation]:
    if md.spec.pod is not None:
        yield from (Violation(field, message) for field, message in pod_findings(md.spec.pod))


def _traffic_violations(md: ModelDeployment) -> Iterator[Violation]:
    yield from (Violation(field, message) for field, message in traffic_findings(md.spec.traffic))
