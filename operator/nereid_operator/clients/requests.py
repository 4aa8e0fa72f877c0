"""Requests to the API server as values: built here, sent by clients/kube.py. Pure.

One verb for writing, server-side apply, with one field manager per writer. POST is only for what is created and never
changed, PUT only for the Lease.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nereid_operator.api.resources import DEPLOYMENT, MANAGER_SCALE, MANAGER_STATUS, Body, Resource

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
APPLY_PATCH = "application/apply-patch+yaml"
# A Deployment comes as 20 KiB and takes 150 of memory while it is read.
LIST_CHUNK = 100
# The store is at 1 before its first object is written, which gets 2.
NO_OBJECTS_VERSION = "1"
_IDENTITY = ("namespace", "name", "resourceVersion")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` starts with a slash and holds no query, `accept` is the form of the answer."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    content_type: str = JSON
    accept: str = JSON


@dataclass(frozen=True, slots=True)
class Response:
    """Status and parsed body of an answer; how long the server wants to be left alone, when it says so."""

    status: int
    body: dict[str, Any]
    retry_after_seconds: float = 0.0


def path_of(resource: Resource, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
    """Return the path of a collection, an object or a subresource; no namespace means all of them."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    parts = [root, *(("namespaces", namespace) if namespace else ()), resource.plural, name, subresource]
    return "/".join(part for part in parts if part)


def verb_and_resource(request: Request) -> tuple[str, str]:
    """Return a request in the words of RBAC, such as `patch` and `deployments/scale`, without the object's name."""
    parts = request.path.strip("/").split("/")
    below = parts[2:] if parts[0] == "api" else parts[3:]
    if len(below) > 2 and below[0] == "namespaces":
        below = below[2:]
    resource = "/".join((below[0], *below[2:3]))
    if request.method == "GET":
        return ("get" if len(below) > 1 else "list"), resource
    return {"POST": "create", "PUT": "update"}.get(request.method, request.method.lower()), resource


def get(resource: Resource, namespace: str, name: str) -> Request:
    """Read one object."""
    return Request("GET", path_of(resource, namespace, name))


def get_row(resource: Resource, namespace: str, name: str) -> Request:
    """Read of one object only what `kubectl get` shows in its row: the server sends nothing else of it."""
    return Request("GET", path_of(resource, namespace, name), {"includeObject": "None"}, accept=TABLE)


def cell(table: Body, column: str) -> str | None:
    """Return the first row's text in a column of a Table; None where there is no such column, or no Table."""
    names = [definition["name"] for definition in table.get("columnDefinitions", ())]
    rows = table.get("rows") or ()
    return str(rows[0]["cells"][names.index(column)]) if rows and column in names else None


def list_page(
    resource: Resource, *, namespace: str | None, selector: str, continue_token: str, fields: str = ""
) -> Request:
    """Read one page of a list, of objects with these labels and fields; an empty token asks for the first."""
    query = {
        "limit": str(LIST_CHUNK),
        "labelSelector": selector,
        "fieldSelector": fields,
        "continue": continue_token,
    }
    return Request("GET", path_of(resource, namespace), {name: value for name, value in query.items() if value})


def create(resource: Resource, manifest: Body, manager: str) -> Request:
    """Create an object that must not exist yet."""
    return Request("POST", path_of(resource, manifest["metadata"]["namespace"]), {"fieldManager": manager}, manifest)


def update(resource: Resource, manifest: Body, manager: str) -> Request:
    """Replace an object as it was read: the server refuses when its resourceVersion is no longer that one."""
    metadata = manifest["metadata"]
    path = path_of(resource, metadata["namespace"], metadata["name"])
    return Request("PUT", path, {"fieldManager": manager}, manifest)


def apply(resource: Resource, manifest: Body, manager: str) -> Request:
    """Create or change the fields of `manifest`; they belong to `manager` from then on."""
    metadata = manifest["metadata"]
    path = path_of(resource, metadata["namespace"], metadata["name"])
    return Request("PATCH", path, {"fieldManager": manager, "force": "true"}, manifest, APPLY_PATCH)


def apply_new(resource: Resource, manifest: Body, manager: str) -> Request:
    """Create an object by an apply, so that its fields belong to `manager` as later applies want them.

    It names a version that no object can have: one that is there is a conflict; where there is none nobody compares.
    """
    metadata = {**manifest["metadata"], "resourceVersion": NO_OBJECTS_VERSION}
    return apply(resource, {**manifest, "metadata": metadata}, manager)


def apply_status(resource: Resource, read: Body, status: Body) -> Request:
    """Write the whole status of the object that was read; on the main path the server would drop it silently.

    The server refuses when the object is not the one that was read any more: another one may have its name by now,
    and of a newer spec this status knows nothing. (It ignores a uid here.)
    """
    metadata = {name: read["metadata"][name] for name in _IDENTITY if name in read["metadata"]}
    manifest = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "status": status,
    }
    path = path_of(resource, metadata.get("namespace"), metadata["name"], "status")
    return Request("PATCH", path, {"fieldManager": MANAGER_STATUS, "force": "true"}, manifest, APPLY_PATCH)


def scale(namespace: str, name: str, replicas: int) -> Request:
    """Set the number of pods of a Deployment, which is `nereid-scale`'s from then on, also when it was the same."""
    manifest = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas},
    }
    path = path_of(DEPLOYMENT, namespace, name, "scale")
    return Request("PATCH", path, {"fieldManager": MANAGER_SCALE, "force": "true"}, manifest, APPLY_PATCH)


def delete(resource: Resource, namespace: str, name: str, *, uid: str) -> Request:
    """Delete this very object, and what it owns in the background."""
    options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    return Request(
        "DELETE", path_of(resource, namespace, name), {}, {"apiVersion": "v1", "kind": "DeleteOptions", **options}
    )
