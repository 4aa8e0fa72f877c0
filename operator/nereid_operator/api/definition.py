"""A kind of custom resource → its CustomResourceDefinition. Pure; called by api/crd.py, which knows the kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nereid_operator.api.resources import Resource
from nereid_operator.api.schema import Schema

Column = tuple[str, str, str, int]
"""Name, type, JSON path and priority of a column of `kubectl get`."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What differs from kind to kind; `scope` is Namespaced or Cluster."""

    resource: Resource
    scope: str
    short_name: str
    subresources: Mapping[str, Any]
    columns: tuple[Column, ...]
    schema: Schema


def custom_resource_definition(definition: Definition) -> dict[str, Any]:
    """Return the CRD as parsed YAML."""
    resource = definition.resource
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": resource.group,
            "scope": definition.scope,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [definition.short_name],
                "categories": ["nereid"],
            },
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> dict[str, Any]:
    return {
        "name": definition.resource.version,
        "served": True,
        "storage": True,
        "subresources": dict(definition.subresources),
        "additionalPrinterColumns": [_column(*column) for column in definition.columns],
        "schema": {"openAPIV3Schema": definition.schema},
    }


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}


def root_schema(description: str, resource: Resource, *, spec: Schema, status: Schema) -> Schema:
    """Return the schema of a whole object."""
    return {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this schema."},
            "kind": {"type": "string", "description": f"{resource.kind}."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
