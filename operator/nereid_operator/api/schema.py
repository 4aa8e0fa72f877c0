"""pydantic's JSON schema → a structural schema that the API server takes (apiextensions.k8s.io/v1).

Pure; called by api/crd.py. What is changed, and why: references are inlined (structural schemas have none), `T or null`
becomes `nullable`, what Kubernetes gives no meaning to (title, null defaults) is dropped for size.
"""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
_DROPPED = frozenset({"title", "$defs", "additionalItems", "propertyNames"})
_NULL = {"type": "null"}


def structural(schema: Mapping[str, Any]) -> Schema:
    """Return the schema without references, unions with null, titles and null defaults."""
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    flat = _without_null(_inline(node, definitions), definitions)
    result = {key: value for key, value in flat.items() if key not in _DROPPED}
    if result.get("default", ...) is None:
        del result["default"]
    if "properties" in result:
        result["properties"] = {name: _convert(child, definitions) for name, child in result["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), Mapping):
            result[key] = _convert(result[key], definitions)
    return result


def _inline(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Replace a reference by its target; what stands beside the reference wins."""
    if "$ref" not in node:
        return dict(node)
    target = definitions[node["$ref"].removeprefix("#/$defs/")]
    return _inline(target, definitions) | {key: value for key, value in node.items() if key != "$ref"}


def _without_null(node: Schema, definitions: Mapping[str, Any]) -> Schema:
    """Turn `anyOf: [T, null]` into a nullable T; any other union is a mistake in the types."""
    if "anyOf" not in node:
        return node
    others = [option for option in node["anyOf"] if option != _NULL]
    if len(others) != 1:
        raise ValueError(f"a structural schema has no unions, found {node['anyOf']}")
    siblings = {key: value for key, value in node.items() if key != "anyOf"}
    return _inline(others[0], definitions) | siblings | {"nullable": True}
