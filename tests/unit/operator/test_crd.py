"""The generated CRDs are current, and within what the API server takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nereid_operator.api.crd import DEFINITIONS, crd_yaml
from nereid_operator.api.schema import structural

ROOT = Path(__file__).parents[3]


def _nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


def _schema_nodes(plural: str) -> list[tuple[str, dict[str, Any]]]:
    return list(_nodes(DEFINITIONS[plural].schema))


every_kind = pytest.mark.parametrize("plural", DEFINITIONS)


@every_kind
def test_the_files_in_crds_and_in_the_chart_are_current(plural: str):
    text = crd_yaml(DEFINITIONS[plural])
    assert (ROOT / "crds" / f"nereid.dev_{plural}.yaml").read_text() == text, "run make generate"
    assert (ROOT / "charts/nereid/templates" / f"crd-{plural}.yaml").read_text() == text, "run make generate"


@every_kind
def test_the_crd_is_small(plural: str):
    assert len(crd_yaml(DEFINITIONS[plural])) < 200_000


@every_kind
def test_the_schema_is_structural(plural: str):
    for path, node in _schema_nodes(plural):
        assert not {"$ref", "anyOf", "oneOf", "title", "const"} & set(node), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path


@every_kind
def test_every_field_is_described(plural: str):
    undescribed = [path for path, node in _schema_nodes(plural) if "description" not in node]
    assert [path for path in undescribed if not path.endswith("[]") and path != ".metadata"] == []


@every_kind
def test_every_string_list_and_map_of_the_spec_is_bounded(plural: str):
    for path, node in _schema_nodes(plural):
        if not path.startswith(".spec"):
            continue
        assert node.get("type") != "string" or "maxLength" in node or "enum" in node, path
        assert node.get("type") != "array" or "maxItems" in node, path
        assert "additionalProperties" not in node or "maxProperties" in node, path


def test_a_union_that_is_no_nullable_is_a_mistake_in_the_types():
    with pytest.raises(ValueError, match="no unions"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]})


def test_the_examples_hold_only_fields_of_the_schema():
    specs = {definition.resource.kind: definition.schema["properties"]["spec"] for definition in DEFINITIONS.values()}
    for path in (ROOT / "crds" / "examples").glob("*.yaml"):
        body = yaml.safe_load(path.read_text())
        _assert_known(body["spec"], specs[body["kind"]], path.name)


def _assert_known(value: Any, schema: dict[str, Any], where: str) -> None:
    if not isinstance(value, dict) or "properties" not in schema:
        return
    for name, child in value.items():
        assert name in schema["properties"], f"{where}.{name}"
        _assert_known(child, schema["properties"][name], f"{where}.{name}")


def test_operator_is_a_folder_and_never_a_package():
    assert not (ROOT / "operator" / "__init__.py").exists(), "it would shadow the standard library's operator"
