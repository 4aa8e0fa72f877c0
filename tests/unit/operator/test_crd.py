"""The generated CRD is current, and within what the API server takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nereid_operator.api.crd import crd_yaml, custom_resource_definition
from nereid_operator.api.schema import structural

ROOT = Path(__file__).parents[3]


def _nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


def _schema_nodes() -> list[tuple[str, dict[str, Any]]]:
    version = custom_resource_definition()["spec"]["versions"][0]
    return list(_nodes(version["schema"]["openAPIV3Schema"]))


def test_the_file_in_crds_is_current():
    assert (ROOT / "crds" / "nereid.dev_modeldeployments.yaml").read_text() == crd_yaml(), "run make generate"


def test_the_crd_is_small():
    assert len(crd_yaml()) < 200_000


def test_the_schema_is_structural():
    for path, node in _schema_nodes():
        assert not {"$ref", "anyOf", "oneOf", "title", "const"} & set(node), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path


def test_every_field_is_described():
    undescribed = [path for path, node in _schema_nodes() if "description" not in node]
    assert [path for path in undescribed if not path.endswith("[]") and path != ".metadata"] == []


def test_every_string_list_and_map_of_the_spec_is_bounded():
    for path, node in _schema_nodes():
        if not path.startswith(".spec"):
            continue
        assert node.get("type") != "string" or "maxLength" in node or "enum" in node, path
        assert node.get("type") != "array" or "maxItems" in node, path
        assert "additionalProperties" not in node or "maxProperties" in node, path


def test_a_union_that_is_no_nullable_is_a_mistake_in_the_types():
    with pytest.raises(ValueError, match="no unions"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]})


def test_the_examples_hold_only_fields_of_the_schema():
    spec = dict(_schema_nodes())[".spec"]
    for path in (ROOT / "crds" / "examples").glob("*.yaml"):
        _assert_known(yaml.safe_load(path.read_text())["spec"], spec, path.name)


def _assert_known(value: Any, schema: dict[str, Any], where: str) -> None:
    if not isinstance(value, dict) or "properties" not in schema:
        return
    for name, child in value.items():
        assert name in schema["properties"], f"{where}.{name}"
        _assert_known(child, schema["properties"][name], f"{where}.{name}")


def test_operator_is_a_folder_and_never_a_package():
    assert not (ROOT / "operator" / "__init__.py").exists(), "it would shadow the standard library's operator"
