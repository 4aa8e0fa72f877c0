"""What of spec.runtime contradicts itself or is no quantity. Pure; called by api/validation.py.

Yields fields and sentences. The CRD says most of it at `kubectl apply`.
"""

from collections.abc import Iterator

from nereid_operator.api.quantities import quantity
from nereid_operator.api.runtime import DEFAULT_ACCELERATOR, RESERVED_DOMAINS, Device, Resources, Runtime

Finding = tuple[str, str]


def runtime_findings(runtime: Runtime) -> Iterator[Finding]:
    """Yield each wrong field with a sentence."""
    yield from _device(runtime)
    if runtime.resources is None:
        return
    malformed = [*_malformed(runtime.resources, "requests"), *_malformed(runtime.resources, "limits")]
    yield from malformed
    if malformed:
        return
    yield from _above_limit(runtime.resources)
    yield from _counted_twice(runtime.resources, _resource_name(runtime))


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


def _above_limit(resources: Resources) -> Iterator[Finding]:
    limits = resources.limits or {}
    for name, value in (resources.requests or {}).items():
        if name in limits and quantity(value) > quantity(limits[name]):
            yield f"spec.runtime.resources.requests.{name}", f"is {value} and must be at most the limit, {limits[name]}"


def _malformed(resources: Resources, side: str) -> Iterator[Finding]:
    for name, value in (getattr(resources, side) or {}).items():
        try:
            quantity(value)
        except ValueError as error:
            yield f"spec.runtime.resources.{side}.{name}", str(error)
