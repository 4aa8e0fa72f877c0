"""Specs of ModelDeployments as a hypothesis strategy, made from the custom resource definition itself.

What a schema cannot say is asked of the operator's own validation: a part that it objects to is left out again.
"""

import functools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.validation import validate
from tests.stack.kubectl import Object

T = TypeVar("T")

CRD = Path(__file__).parents[2] / "crds" / "nereid.dev_modeldeployments.yaml"
# A test's cluster is no place for a thousand pods of each spec, nor for lists that say the same thing forty times.
MOST_REPLICAS = 2
MOST_ITEMS = 2
MOST_CHARACTERS = 64
# Their rules are CEL, whose language no strategy speaks.
_URIS = st.sampled_from(
    [f"{place}-{number}" for place in ("s3://models/m", "hf://org/m", "https://host/m") for number in range(3)]
)
_KEYS = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}/[a-z]{1,8})?", fullmatch=True)
_QUANTITIES = st.integers(1, 64).flatmap(
    lambda number: st.sampled_from([f"{number}", f"{number}Mi", f"{number}Gi", f"{number}00m"])
)


def specs() -> st.SearchStrategy[Object]:
    """Return the strategy of specs that the operator accepts."""
    definition = yaml.safe_load(CRD.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return _values(schema).map(_few_replicas).map(_accepted)


def runs_of(changes: st.SearchStrategy[T], *, count: int, length: int) -> list[list[T]]:
    """Return runs of changes, the same ones each time."""
    found: list[list[T]] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(changes, min_size=length, max_size=length))
    def collect(run: list[T]) -> None:
        found.append(run)

    collect()
    return found


def _accepted(spec: Object) -> Object:
    """Return the spec without the parts that break a rule, such as spec.pod.affinity."""
    found = validate({"metadata": {"name": "m", "namespace": "n", "uid": "u"}, "spec": spec})
    if isinstance(found, ModelDeployment):
        return spec
    _, part, field, *_ = found[0].field.split(".")
    if field not in spec[part]:  # is missing, because of something beside it
        return _accepted({name: value for name, value in spec.items() if name != part})
    kept = {name: value for name, value in spec[part].items() if name != field}
    return _accepted({**spec, part: kept})


def _few_replicas(spec: Object) -> Object:
    return {**spec, "replicas": spec["replicas"] % (MOST_REPLICAS + 1)} if "replicas" in spec else spec


def _values(schema: Object, name: str = "") -> st.SearchStrategy[Any]:
    """Return the strategy of what a part of the schema allows."""
    if name == "uri":
        return _URIS
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return _QUANTITIES
    return _BY_TYPE[schema["type"]](schema)


def _integers(schema: Object) -> st.SearchStrategy[int]:
    return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**31 - 1))


def _objects(schema: Object) -> st.SearchStrategy[Object]:
    if "additionalProperties" in schema:
        return st.dictionaries(_KEYS, _values(schema["additionalProperties"]), max_size=MOST_ITEMS)
    fields = schema.get("properties", {})
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: _values(fields[name], name) for name in fields if name in required},
        optional={name: _values(field, name) for name, field in fields.items() if name not in required},
    )


def _lists(schema: Object) -> st.SearchStrategy[list[Any]]:
    keys = schema.get("x-kubernetes-list-map-keys", ())
    most = min(schema.get("maxItems", math.inf), MOST_ITEMS)
    unique_by = (lambda item: tuple(item[key] for key in keys)) if keys else None
    return st.lists(_values(schema["items"]), min_size=schema.get("minItems", 0), max_size=most, unique_by=unique_by)


def _texts(schema: Object) -> st.SearchStrategy[str]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if "pattern" not in schema:
        return st.text(_ASCII, min_size=least, max_size=min(most, MOST_CHARACTERS))
    return st.sampled_from(_examples(schema["pattern"], least, most))


@functools.cache
def _examples(pattern: str, least: int, most: float) -> list[str]:
    """Return some texts of a pattern; they are drawn once, for drawing them is slow."""
    found: list[str] = []

    @settings(max_examples=20, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(st.from_regex(re.compile(pattern.replace("$", r"\Z"), re.ASCII), alphabet=_ASCII))
    def collect(text: str) -> None:
        if least <= len(text) <= most:
            found.append(text)

    collect()
    return found


_ASCII = st.characters(min_codepoint=32, max_codepoint=126)
_BY_TYPE: dict[str, Callable[[Object], st.SearchStrategy[Any]]] = {
    "object": _objects,
    "array": _lists,
    "integer": _integers,
    "boolean": lambda _: st.booleans(),
    "string": _texts,
}
