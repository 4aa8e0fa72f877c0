"""The API as an OpenAPI 3.1 document, made from the bodies' own models; pure. Served at GET /openapi.json by `app`."""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from model_runtime.frontend.reading import MAX_TIMEOUT_MS, TIMEOUT_HEADER
from model_runtime.frontend.schema.body import Body
from model_runtime.frontend.schema.chat import ChatBody
from model_runtime.frontend.schema.classify import ClassifyBody
from model_runtime.frontend.schema.completions import CompletionBody
from model_runtime.frontend.schema.embeddings import EmbeddingBody

Json = dict[str, Any]

_BODIES: Mapping[str, type[Body]] = {
    "/v1/chat/completions": ChatBody,
    "/v1/completions": CompletionBody,
    "/v1/embeddings": EmbeddingBody,
    "/v1/classify": ClassifyBody,
}
_TEMPLATE = "#/components/schemas/{model}"
_FAILURES = {
    "400": "A field is wrong; `param` names it",
    "404": "Another model than the one served here",
    "408": "The body did not come in time",
    "413": "The body is too large",
    "415": "The body is no JSON",
    "500": "The engine broke on this request",
    "503": "No room, or nobody to serve it; try again after `Retry-After`",
    "504": "The request's own time is over",
}
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_MODEL: Json = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
}
_TIMEOUT: Json = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "description": "The request ends with 504 when it takes longer than this, in milliseconds",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_MS},
}


def document(served_name: str, *aliases: str) -> Json:
    """Return the document of a server that has one model, which may be called by its served name and by aliases."""
    names = [served_name, *aliases]
    schemas = _schemas(names) | {"Error": _ERROR, "Model": _MODEL}
    posts = {path: {"post": _post(path, body.__name__)} for path, body in _BODIES.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Nereid: {served_name}", "version": "v1"},
        "paths": posts | _models(names),
        "components": {"schemas": schemas},
    }


def _schemas(names: list[str]) -> Json:
    """Return the schemas of the bodies and of what they hold; `model` has the names that are served."""
    _, definitions = models_json_schema([(body, "validation") for body in _BODIES.values()], ref_template=_TEMPLATE)
    schemas: Json = definitions["$defs"]
    for body in _BODIES.values():
        schemas[body.__name__]["properties"]["model"] = {"type": "string", "enum": names}
    return schemas


def _post(path: str, body: str) -> Json:
    answer: Json = {"application/json": {"schema": {"type": "object"}}}
    if "completions" in path:
        # Of one event, as OpenAPI 3.2's itemSchema has it.
        event = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
        answer["text/event-stream"] = {"schema": event}
    return {
        "operationId": path.removeprefix("/v1/").replace("/", "_"),
        "parameters": [_TIMEOUT],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(body)}}},
        "responses": {"200": {"description": "The answer", "content": answer}} | _failures(_FAILURES),
    }


def _models(names: list[str]) -> Json:
    several = {"type": "object", "properties": {"data": {"type": "array", "items": _reference("Model")}}}
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "enum": names}}
    return {
        "/v1/models": {"get": {"operationId": "models", "responses": _found(several)}},
        "/v1/models/{model}": {
            "get": {
                "operationId": "model",
                "parameters": [name],
                "responses": _found(_reference("Model")) | _failures({"404": _FAILURES["404"]}),
            }
        },
    }


def _found(schema: Json) -> Json:
    return {"200": {"description": "What is served", "content": {"application/json": {"schema": schema}}}}


def _failures(texts: Mapping[str, str]) -> Json:
    content = {"application/json": {"schema": _reference("Error")}}
    return {status: {"description": text, "content": content} for status, text in texts.items()}


def _reference(name: str) -> Json:
    return {"$ref": _TEMPLATE.format(model=name)}
