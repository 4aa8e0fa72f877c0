"""What of spec.runtime contradicts itself or is no quantity. Pure; called by api/validation.py.

Yields fields and sentences. The CRD says most of it at `kubectl apply`.
"""

from collections.abc import Iterator, Mapping

from nereid_operator.api.engine_rules import Finding, engine_findings
from nereid_operator.api.quantities import quantity
from nereid_operator.api.runtime import DEFAULT_ACCELERATOR, RESERVED_DOMAINS, Device, Resources, Runtime


def runtime_findings(runtime: Runtime) -> Iterator[Finding]:
    """Yield each wrong field with a sentence."""
    yield from _device(runtime)
    yield from engine_findings(runtime)
    if runtime.resources is None:
        return
    yield from resource_findings("spec.runtime.resources", runtime.resources)
    yield from _counted_twice(runtime.resources, _resource_name(runtime))


def resource_findings(field: str, resources: Resources) -> Iterator[Finding]:
    """Yield what is wrong with resources; `field` names the place where they stand."""
    malformed = [*_malformed(f"{field}.requests", resources.requests), *_malformed(f"{field}.limits", resources.limits)]
    yield from malformed or _above_limit(field, resources)


def _device(runtime: Runtime) -> Iterator[Finding]:
    accelerator = runtime.accelerator
    if accelerator is None:
        return
    if runtime.device is Device.CPU:
        asked = f"{accelerator.count} {accelerator.resource_name}"
        yield "spec.runtime.accelerator", f"asks for {asked} and must be left out when spec.runtime.device is CPU"
    if accelerator.resource_name.startswith(RESERVED_DOMAINS):
        field = "spec.runtime.accelerator.resourceName"
        yield field, f"is {accelerator.resource_name!r} and must be that of a device, as {DEFAULT_ACCELERATOR}"


def _resource_name(runtime: Runtime) -> str:
    return runtime.accelerator.resource_name if runtime.accelerator else DEFAULT_ACCELERATOR


def _counted_twice(resources: Resources, name: str) -> Iterator[Finding]:
    for side, quantities in (("requests", resources.requests), ("limits", resources.limits)):
        if name in (quantities or {}):
            field = f"spec.runtime.resources.{side}.{name}"
            yield field, "must be left out: how many stands in spec.runtime.accelerator.count"


def _above_limit(field: str, resources: Resources) -> Iterator[Finding]:
    limits = resources.limits or {}
    for name, value in (resources.requests or {}).items():
        if name in limits and quantity(value) > quantity(limits[name]):
            yield f"{field}.requests.{name}", f"is {value} and must be at most the limit, {limits[name]}"


def _malformed(field: str, quantities: Mapping[str, str | int] | None) -> Iterator[Finding]:
    for name, value in (quantities or {}).items():
        try:
            quantity(value)
        except ValueError as error:
            yield f"{field}.{name}", str(error)
