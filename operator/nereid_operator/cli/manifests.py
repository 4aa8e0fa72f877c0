"""A file → the ModelDeployments in it. Text → bodies, pure; called by `nereid plan`."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from nereid_operator.api.model_deployment import spec_schema
from nereid_operator.api.resources import MODEL_DEPLOYMENT, Body
from nereid_operator.api.schema import structural
from nereid_operator.cli.errors import UsageError


def model_deployments(text: str, file: str) -> tuple[Body, ...]:
    """Return the ModelDeployments of a YAML or JSON text; UsageError when it is none, or holds none."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    found = tuple(body for document in documents for body in _bodies(document))
    if not found:
        raise UsageError(f"{file} holds no {MODEL_DEPLOYMENT.kind} of {MODEL_DEPLOYMENT.api_version}")
    return found


def placed(body: Body, namespace: str, *, asked: str | None) -> dict[str, Any]:
    """Return a body as the API server would complete it; `asked` is the namespace of the command line, if any."""
    metadata = body.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
    own = metadata.get("namespace")
    if own and asked and own != asked:
        raise UsageError(f"the file says namespace {own!r}, the command line {asked!r}: leave one out")
    return {**body, "metadata": {"uid": "", **metadata, "namespace": own or namespace}}


def unknown_fields(body: Body) -> tuple[str, ...]:
    """Return the fields of the spec that this version does not know, and so would leave out: misspelt, or newer."""
    return tuple(_unknown(body.get("spec"), structural(spec_schema()), "spec"))


def _unknown(value: object, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties")
    if not isinstance(value, Mapping) or properties is None:
        return
    for name, part in value.items():
        if name not in properties:
            yield f"{path}.{name}"
            continue
        yield from _unknown(part, properties[name], f"{path}.{name}")


def _bodies(document: object) -> Iterator[Body]:
    if not isinstance(document, Mapping):
        return
    if document.get("kind") == "List":
        for item in document.get("items") or ():
            yield from _bodies(item)
        return
    if (document.get("apiVersion"), document.get("kind")) == (MODEL_DEPLOYMENT.api_version, MODEL_DEPLOYMENT.kind):
        yield document
