"""Rules of RBAC compared with the calls that were made: what was granted in vain, what was asked and denied. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ANY = ""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One verb on one resource; `namespace` and `name` may be ANY."""

    verb: str
    group: str
    resource: str
    namespace: str = ANY
    name: str = ANY


@dataclass(frozen=True, slots=True)
class Call:
    """One request; a cluster-wide one has no namespace, a list has no name."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    code: int = 200

    @property
    def verbs(self) -> set[str]:
        """The verbs that were asked for: an apply that created the object needed the right to create as well."""
        return {self.verb, "create"} if (self.verb, self.code) == ("patch", 201) else {self.verb}


def grants_of(roles: Iterable[dict[str, Any]]) -> set[Grant]:
    """Return every grant of Roles, in their namespaces, and of ClusterRoles, everywhere."""
    return {
        Grant(verb, group, resource, role["metadata"].get("namespace", ANY), name)
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [ANY]
    }


def unused(grants: Iterable[Grant], calls: Iterable[Call]) -> list[Grant]:
    """Return the grants that no call needed."""
    made = list(calls)
    return sorted(grant for grant in grants if not any(_needs(call, grant) for call in made))


def denied(calls: Iterable[Call]) -> list[Call]:
    """Return the calls that were refused."""
    return [call for call in calls if call.code in {401, 403}]


def wildcards(grants: Iterable[Grant]) -> list[Grant]:
    """Return the grants that mean more than they name."""
    return sorted(grant for grant in grants if "*" in f"{grant.verb} {grant.group} {grant.resource}")


def _needs(call: Call, grant: Grant) -> bool:
    return (
        grant.verb in call.verbs
        and (grant.group, grant.resource) == (call.group, call.resource)
        and grant.namespace in {ANY, call.namespace}
        and grant.name in {ANY, call.name}
        and call.code not in {401, 403}
    )
