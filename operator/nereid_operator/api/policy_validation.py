"""Is a ServingPolicy one that can be judged by? Body → `ServingPolicy`, or `BrokenPolicy` with what is wrong.

Pure; called by the cache, once for each reading of a policy. The CRD's schema refuses nearly all of this at
`kubectl apply`; what gets here was written past it or cannot be said in a schema.
"""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

from nereid_operator.api.label_selector import LabelSelector
from nereid_operator.api.pod_rules import malformed_keys, placement_findings
from nereid_operator.api.resources import Body
from nereid_operator.api.runtime import Resources
from nereid_operator.api.runtime_rules import resource_findings
from nereid_operator.api.serving_policy import DEVICE_HELP, BrokenPolicy, Defaults, Policy, ServingPolicy
from nereid_operator.api.validation import Violation, violations_of

_SELECTOR = "spec.namespaceSelector"


def read_policy(body: Body) -> Policy:
    """Return the policy; one with errors is broken as a whole, so that a limit that cannot be read opens no gate."""
    try:
        policy = ServingPolicy.model_validate(body)
    except ValidationError as error:
        return _broken(body, violations_of(error))
    spec = policy.spec
    violations = (*_selector_violations(spec.namespace_selector), *_default_violations(spec.defaults))
    return _broken(body, violations) if violations else policy


def _broken(body: Body, violations: Iterable[Violation]) -> BrokenPolicy:
    return BrokenPolicy(body["metadata"]["name"], _selector(body), tuple(map(str, violations)))


def _selector(body: Body) -> LabelSelector | None:
    """Return the namespace selector of a policy whose other fields may be wrong; None when it is wrong itself."""
    spec = body.get("spec")
    wanted = spec.get("namespaceSelector") if isinstance(spec, Mapping) else None
    try:
        selector = LabelSelector.model_validate({} if wanted is None else wanted)
    except ValidationError:
        return None
    return None if any(_selector_violations(selector)) else selector


def _selector_violations(selector: LabelSelector) -> Iterator[Violation]:
    keys = (*selector.match_labels, *(expression.key for expression in selector.match_expressions))
    yield from (Violation(field, message) for field, message in malformed_keys(_SELECTOR, keys))
    for index, expression in enumerate(selector.match_expressions):
        if expression.needs_values != bool(expression.values):
            field = f"{_SELECTOR}.matchExpressions.{index}.values"
            words = f"is {list(expression.values)} with operator {expression.operator}; In and NotIn alone have values"
            yield Violation(field, words)


def _default_violations(defaults: Defaults) -> Iterator[Violation]:
    pod, resources = defaults.pod, defaults.runtime.resources or Resources()
    field = "spec.defaults.runtime.resources"
    findings = (
        *placement_findings("spec.defaults.pod", pod.node_selector, pod.tolerations, pod.image_pull_secrets),
        *resource_findings(field, resources),
        *((f"{field}.{name}", DEVICE_HELP) for name in _names(resources) if "/" in name),
    )
    yield from (Violation(field, message) for field, message in findings)


def _names(resources: Resources) -> set[str]:
    return {*(resources.requests or {}), *(resources.limits or {})}
