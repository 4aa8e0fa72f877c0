"""Does a node satisfy the required nodeAffinity of a pod? As the scheduler judges it. Pure; called by placement.py."""

from collections.abc import Callable, Mapping

from nereid_operator.api.resources import Body


def is_wanted(node: Body, spec: Body) -> bool:
    """Return whether one of the terms means the node; True where nothing is required."""
    wanted = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = wanted.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_means(term, node) for term in required["nodeSelectorTerms"])


def _means(term: Body, node: Body) -> bool:
    """Return whether every condition of a term holds; a term without conditions means no node."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    conditions = [
        *(_holds(condition, labels) for condition in term.get("matchExpressions") or ()),
        *(_holds(condition, fields) for condition in term.get("matchFields") or ()),
    ]
    return bool(conditions) and all(conditions)


_OPERATORS: Mapping[str, Callable[[str | None, tuple[str, ...]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: _is_number(value) and int(value or 0) > int(values[0]),
    "Lt": lambda value, values: _is_number(value) and int(value or 0) < int(values[0]),
}


def _holds(condition: Body, values: Mapping[str, str]) -> bool:
    return _OPERATORS[condition["operator"]](values.get(condition["key"]), tuple(condition.get("values") or ()))


def _is_number(value: str | None) -> bool:
    return value is not None and value.removeprefix("-").isdecimal()
