"""What the platform's ServingPolicies make of a ModelDeployment: the spec that is planned, and what is forbidden.

Pure; called by the reconciler after validation, and by `nereid plan`. Of several policies the most restrictive wins:
each judges the spec by itself, and all must be content. Defaults are filled in by policies in the order of their
names, so that the first one that says something about a field wins.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from nereid_operator.api.conditions import Reason
from nereid_operator.api.destinations import is_within
from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.quantities import quantity
from nereid_operator.api.runtime import Resources
from nereid_operator.api.serving_policy import BrokenPolicy, Policy, ServingPolicy
from nereid_operator.api.validation import Violation
from nereid_operator.plan.contacts import contacts
from nereid_operator.plan.defaults import with_defaults
from nereid_operator.plan.engine import planned_accelerator

_SHOWN_HOSTS = 5
# NVIDIA's container runtime gives a container the devices that this variable names, whatever its pod asked for.
_DEVICES_VARIABLE = "NVIDIA_VISIBLE_DEVICES"
_NO_DEVICES = ("", "none", "void")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The ModelDeployment with the platform's defaults, and everything that forbids it."""

    md: ModelDeployment
    violations: tuple[Violation, ...]


def governing(policies: Iterable[Policy], labels: Mapping[str, str]) -> tuple[Policy, ...]:
    """Return the policies that hold for a namespace with these labels, by name."""
    return tuple(sorted((policy for policy in policies if policy.selects(labels)), key=lambda policy: policy.name))


def judge(md: ModelDeployment, policies: Iterable[Policy]) -> Judgement:
    """Return what the policies of its namespace, in the order of their names, make of a valid ModelDeployment."""
    policies = tuple(policies)
    broken = tuple(_unreadable(policy) for policy in policies if isinstance(policy, BrokenPolicy))
    if broken:
        return Judgement(md, broken)
    readable = [policy for policy in policies if isinstance(policy, ServingPolicy)]
    effective = reduce(with_defaults, (policy.spec.defaults for policy in readable), md)
    violations = tuple(found for policy in readable for found in _violations(policy, effective))
    return Judgement(effective, violations)


def allows_global_names(policies: Iterable[Policy]) -> bool:
    """Return whether models of a namespace may be called by their served names alone: no policy says no, one says yes.

    A policy that cannot be read may be the one that says no.
    """
    words = [policy.spec.global_names if isinstance(policy, ServingPolicy) else False for policy in policies]
    return True in words and False not in words


def _unreadable(policy: BrokenPolicy) -> Violation:
    words = f"has errors, and nothing new begins under a policy that cannot be read: {'; '.join(policy.errors)}"
    return Violation(f"ServingPolicy {policy.name}", words, Reason.POLICY_INVALID)


def _violations(policy: ServingPolicy, md: ModelDeployment) -> Iterator[Violation]:
    for field, message in (*_replicas(policy, md), *_accelerators(policy, md), *_hosts(policy, md)):
        yield Violation(field, message, Reason.POLICY_VIOLATION)


def _replicas(policy: ServingPolicy, md: ModelDeployment) -> Iterator[tuple[str, str]]:
    most = policy.spec.max_replicas
    if most is not None and md.spec.replicas > most:
        yield (
            "spec.replicas",
            f"is {md.spec.replicas}, but ServingPolicy {policy.name} allows at most {most} (maxReplicas)",
        )


def _accelerators(policy: ServingPolicy, md: ModelDeployment) -> Iterator[tuple[str, str]]:
    most, each = policy.spec.max_accelerators, _accelerators_of_replica(md)
    if most is None:
        return
    if each * md.spec.replicas > most:
        asked = f"asks for {each} accelerators in each of {md.spec.replicas} replicas"
        allowed = f"ServingPolicy {policy.name} allows at most {most} together (maxAccelerators)"
        yield "spec.runtime", f"{asked}, but {allowed}"
    for index, variable in enumerate(md.spec.pod.env if md.spec.pod else ()):
        if variable.name == _DEVICES_VARIABLE and variable.value not in _NO_DEVICES:
            words = f"is {variable.name}, which takes devices that nobody counts, but ServingPolicy {policy.name}"
            yield f"spec.pod.env.{index}.name", f"{words} limits them (maxAccelerators)"


def _accelerators_of_replica(md: ModelDeployment) -> int:
    """Return how many devices a replica asks for; resources that are named like devices count as such."""
    accelerator = planned_accelerator(md.spec.runtime)
    resources = md.spec.runtime.resources or Resources()
    most: dict[str, int] = {}
    for name, value in (*(resources.requests or {}).items(), *(resources.limits or {}).items()):
        if "/" in name:
            most[name] = max(most.get(name, 0), int(quantity(value)))
    return sum(most.values()) + (accelerator.count if accelerator else 0)


def _hosts(policy: ServingPolicy, md: ModelDeployment) -> Iterator[tuple[str, str]]:
    allowed = policy.spec.allowed_hosts
    if allowed is None:
        return
    for field, value, host in contacts(md):
        if host is None:
            yield field, f"is {value!r}, whose host cannot be told for certain; {_allows(policy.name, allowed)}"
        elif not any(is_within(host, entry) for entry in allowed):
            yield field, f"is {value!r}, on the host {host}, but {_allows(policy.name, allowed)}"


def _allows(name: str, allowed: tuple[str, ...]) -> str:
    if not allowed:
        return f"ServingPolicy {name} allows no host (allowedHosts)"
    more = f" and {len(allowed) - _SHOWN_HOSTS} more" if len(allowed) > _SHOWN_HOSTS else ""
    return f"ServingPolicy {name} allows {', '.join(allowed[:_SHOWN_HOSTS])}{more} (allowedHosts)"
