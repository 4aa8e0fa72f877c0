"""What of spec.pod Kubernetes would refuse, or what the operator keeps for itself. Pure; called by api/validation.py.

Yields fields and sentences. The CRD says most of it at `kubectl apply`; the form of a map's keys can only be said here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from nereid_operator.api.pod import (
    RESERVED_PREFIXES,
    RESERVED_VARIABLES,
    Pod,
    PullSecret,
    TaintEffect,
    Toleration,
    TolerationOperator,
)

LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

Finding = tuple[str, str]


def pod_findings(pod: Pod) -> Iterator[Finding]:
    """Yield each wrong field of spec.pod with a sentence."""
    for field, keys in (("labels", pod.labels), ("annotations", pod.annotations)):
        yield from _reserved(f"spec.pod.{field}", keys)
        yield from malformed_keys(f"spec.pod.{field}", keys)
    yield from _variables(pod)
    yield from placement_findings("spec.pod", pod.node_selector, pod.tolerations, pod.image_pull_secrets)


def placement_findings(
    field: str, node_selector: Mapping[str, str], tolerations: Iterable[Toleration], pull_secrets: Iterable[PullSecret]
) -> Iterator[Finding]:
    """Yield what is wrong with what decides where a pod may run; `field` names the place where it stands."""
    yield from malformed_keys(f"{field}.nodeSelector", node_selector)
    for index, toleration in enumerate(tolerations):
        yield from _toleration(f"{field}.tolerations.{index}", toleration)
    yield from _repeated(f"{field}.imagePullSecrets", (secret.name for secret in pull_secrets))


def _reserved(field: str, keys: Mapping[str, str]) -> Iterator[Finding]:
    for key in keys:
        if key.startswith(RESERVED_PREFIXES):
            yield field, f"has {key!r}, but the prefixes {' and '.join(RESERVED_PREFIXES)} are the operator's own"


def malformed_keys(field: str, keys: Iterable[str]) -> Iterator[Finding]:
    """Yield the keys that are no keys of labels."""
    for key in keys:
        if not LABEL_KEY.fullmatch(key):
            yield field, f"has the key {key!r}: write for example team or example.com/team"


def _toleration(field: str, toleration: Toleration) -> Iterator[Finding]:
    exists = toleration.operator is TolerationOperator.EXISTS
    if exists and toleration.value is not None:
        yield f"{field}.value", f"is {toleration.value!r} and must be left out with operator Exists"
    if not exists and toleration.key is None:
        yield f"{field}.key", "may be left out only with operator Exists"
    if toleration.key is not None and not LABEL_KEY.fullmatch(toleration.key):
        yield f"{field}.key", f"is {toleration.key!r}: write for example nvidia.com/gpu"
    if toleration.toleration_seconds is not None and toleration.effect is not TaintEffect.NO_EXECUTE:
        yield f"{field}.tolerationSeconds", f"is {toleration.toleration_seconds} but is only for effect NoExecute"


def _variables(pod: Pod) -> Iterator[Finding]:
    for index, variable in enumerate(pod.env):
        if variable.name.startswith(RESERVED_VARIABLES):
            reserved = ", ".join(RESERVED_VARIABLES)
            yield f"spec.pod.env.{index}.name", f"is {variable.name!r}, but names must not start with {reserved}"
    yield from _repeated("spec.pod.env", (variable.name for variable in pod.env))


def _repeated(field: str, names: Iterable[str]) -> Iterator[Finding]:
    for name, count in Counter(names).items():
        if count > 1:
            yield field, f"has {name!r} {count} times; each name may stand there once"
