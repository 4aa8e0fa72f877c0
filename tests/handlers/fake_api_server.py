"""An API server in the test's own process: kmock's discovery, and a store that behaves as Kubernetes' where it matters.

Create on apply, uid, generation and a resourceVersion that grows; nothing happens on a write that changes nothing;
/status and /scale; one replica where a Deployment names no number; label selectors in lists and watches; 409 on create,
and on PUT or apply over another version; children go when their owner goes.
Controllers are played by the test: it edits objects through `edit`.
"""

import asyncio
import copy
import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp.web
import attrs
import kmock

Object = dict[str, Any]
StoreKey = tuple[Any, str | None, str]

RESOURCES = {
    "nereid.dev/v1alpha1/modeldeployments": ("ModelDeployment", {"status", "scale"}),
    "nereid.dev/v1alpha1/servingpolicies": ("ServingPolicy", {"status"}),
    "apps/v1/deployments": ("Deployment", {"status", "scale"}),
    "batch/v1/jobs": ("Job", {"status"}),
    "v1/services": ("Service", set()),
    "v1/serviceaccounts": ("ServiceAccount", set()),
    "v1/configmaps": ("ConfigMap", set()),
    "v1/secrets": ("Secret", set()),
    "networking.k8s.io/v1/networkpolicies": ("NetworkPolicy", set()),
    "v1/pods": ("Pod", {"status"}),
    "policy/v1/poddisruptionbudgets": ("PodDisruptionBudget", {"status"}),
    "v1/events": ("Event", set()),
    "coordination.k8s.io/v1/leases": ("Lease", set()),
    "v1/namespaces": ("Namespace", set()),
    "apiextensions.k8s.io/v1/customresourcedefinitions": ("CustomResourceDefinition", set()),
}
CLUSTER_WIDE = {"Namespace", "CustomResourceDefinition", "ServingPolicy"}
KINDS = {kmock.resource(path): (kind, path.rpartition("/")[0]) for path, (kind, _) in RESOURCES.items()}
ATOMIC = {"selector", "podSelector"}  # maps that the server takes as a whole
DEPLOYMENTS = kmock.resource("apps/v1/deployments")
SECRETS = kmock.resource("v1/secrets")
LEASES = kmock.resource("coordination.k8s.io/v1/leases")
NAMESPACES = "/api/v1/namespaces"
SYSTEM = "nereid-system"  # where the operator runs that serves gateways
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
READS = {kmock.action.LIST, kmock.action.FETCH, kmock.action.WATCH}


@attrs.frozen
class Write:
    """One write as it came in: by whom (the bearer token), of what, and who held the Lease when it was done."""

    by: str
    what: str
    leader: str


@attrs.define(kw_only=True)
class FakeApiServer(kmock.KubernetesScaffold):
    """The server; `store` holds what is, `writes` what was asked to be changed apart from Leases, in order.

    `log` holds the same writes with who sent them. A kind in `undefined` is one whose definition was deleted.
    `refuse` says why a write is refused, `forbid` why a read is. `rows` names the Secrets that were read, all of them
    as rows of a table; none is given otherwise, but for those of the operator's own namespace.
    """

    store: dict[StoreKey, Object] = attrs.field(factory=dict)
    writes: list[str] = attrs.field(factory=list)
    log: list[Write] = attrs.field(factory=list)
    refuse: Callable[[str, str], str | None] = lambda _method, _path: None
    forbid: Callable[[str], str | None] = lambda _path: None
    undefined: set[Any] = attrs.field(factory=set)
    rows: list[str] = attrs.field(factory=list)
    _version: int = 1
    _watchers: list[tuple[Any, str, asyncio.Queue[Any]]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        for name, (kind, subresources) in RESOURCES.items():
            self.resources[name] = kmock.ResourceInfo(
                kind=kind,
                namespaced=kind not in CLUSTER_WIDE,
                verbs={"get", "list", "watch", "create", "update", "patch", "delete"},
                subresources=subresources,
            )

    # What tests do: play the user and the controllers.

    def put(self, resource: str, body: Object, namespace: str = "default") -> Object:
        """Create an object, or merge into the one that is there, as kubectl would."""
        place = {} if RESOURCES[resource][0] in CLUSTER_WIDE else {"namespace": namespace}
        key = (kmock.resource(resource), place.get("namespace"), body["metadata"]["name"])
        return self._merge(key, {**body, "metadata": {**place, **body["metadata"]}})

    def edit(self, resource: str, name: str, change: Object, namespace: str | None = "default") -> Object:
        """Change an object that is there, status included, as its controller would."""
        key = (kmock.resource(resource), namespace, name)
        if key not in self.store:
            raise LookupError(f"{resource} {namespace}/{name} is not there")
        return self._merge(key, change)

    def remove(self, resource: str, name: str, namespace: str | None = "default") -> None:
        """Delete an object and what it owns."""
        self._delete((kmock.resource(resource), namespace, name))

    def get(self, resource: str, name: str, namespace: str = "default") -> Object | None:  # type: ignore[override]
        """Return an object; None when it is not there."""
        return self.store.get((kmock.resource(resource), namespace, name))

    def all(self, resource: str) -> dict[str, Object]:
        """Return every object of a kind by name."""
        return {name: body for (found, _, name), body in self.store.items() if found == kmock.resource(resource)}

    def leader(self) -> str:
        """Return who holds the Lease, empty for nobody; a process's name is what stands before the underscore."""
        leases = list(self.all("coordination.k8s.io/v1/leases").values())
        holder: str = leases[0]["spec"]["holderIdentity"] if leases else ""
        return holder.rpartition("_")[0]

    def hang_up(self) -> None:
        """End every watch, as a server does that goes away."""
        for _, _, queue in self._watchers:
            queue.put_nowait(None)

    # What the operator asks.

    async def __call__(self, raw_request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        # kmock takes what stands after /namespaces for the name of one, also where nothing does.
        if raw_request.path == NAMESPACES:
            raw_request = raw_request.clone(
                rel_url=raw_request.rel_url.with_path(f"{NAMESPACES}//namespaces", keep_query=True)
            )
        return await super().__call__(raw_request)

    async def _handle(self, request: Any) -> aiohttp.web.StreamResponse:
        put = request.method == kmock.method.PUT
        if (request.action is None and not put) or request.resource not in self.resources:
            return await super()._handle(request)
        if request.resource in self.undefined:
            return _failure(404, "404 page not found")
        message = self._refusal(request)
        if message:
            return _failure(403, message)
        if request.action not in READS:
            self._note(request)
        if put:
            return self._put(request)
        if request.action == kmock.action.WATCH:
            return await self._watch(request)
        return {
            kmock.action.LIST: self._list,
            kmock.action.FETCH: self._fetch,
            kmock.action.CREATE: self._create,
            kmock.action.UPDATE: self._update,
            kmock.action.DELETE: self._remove,
        }[request.action](request)

    def _refusal(self, request: Any) -> str | None:
        if request.action in READS:
            return self.forbid(request.url.path)
        return self.refuse(request.method.value, request.url.path)

    def _list(self, request: Any) -> aiohttp.web.Response:
        selector, fields = (request.params.get(name, "") for name in ("labelSelector", "fieldSelector"))
        items = [
            {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}
            for (resource, namespace, _), body in self.store.items()
            if resource == request.resource and request.namespace in (None, "", namespace)
            if _selected(body, selector) and _has_fields(body, fields)
        ]
        kind, api_version = KINDS[request.resource]
        metadata = {"resourceVersion": str(self._version)}
        return _answer({"apiVersion": api_version, "kind": f"{kind}List", "metadata": metadata, "items": items})

    def _fetch(self, request: Any) -> aiohttp.web.Response:
        body = self.store.get((request.resource, request.namespace, request.name))
        if request.resource == SECRETS and request.namespace != SYSTEM:
            return self._row(request, body)
        return _failure(404, f"{request.name} not found") if body is None else _answer(body)

    def _row(self, request: Any, secret: Object | None) -> aiohttp.web.Response:
        """Answer as the real server does when asked for a Table without the object."""
        if request.headers["Accept"] != TABLE or request.params.get("includeObject") != "None":
            return _failure(406, "the data of a Secret is none of the operator's business")
        self.rows.append(request.name)
        if secret is None:
            return _failure(404, f'secrets "{request.name}" not found')
        columns = [{"name": name} for name in ("Name", "Type", "Data", "Age")]
        cells = [request.name, secret.get("type", "Opaque"), len(secret.get("data", {})), "1s"]
        kind = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
        return _answer({**kind, "columnDefinitions": columns, "rows": [{"cells": cells, "object": None}]})

    def _create(self, request: Any) -> aiohttp.web.Response:
        key = (request.resource, request.namespace, request.data["metadata"]["name"])
        if key in self.store:
            return _failure(409, f"{key[2]} already exists")
        return _answer(self._merge(key, request.data), status=201)

    def _update(self, request: Any) -> aiohttp.web.Response:
        key = (request.resource, request.namespace, request.name)
        applied = request.headers.get("Content-Type", "").startswith("application/apply-patch")
        if key not in self.store and (request.subresource or not applied):
            return _failure(404, f"{request.name} not found")
        if applied and self._is_other_version(key, request.data):
            return _failure(409, f"{request.name} has been modified")
        if request.subresource == "status":
            version = request.data["metadata"].get("resourceVersion")
            if version not in (None, self.store[key]["metadata"]["resourceVersion"]):
                return _failure(409, f"{request.name} has been modified")
            return _answer(self._replace(key, {**self.store[key], "status": request.data["status"]}))
        change = {"spec": request.data["spec"]} if request.subresource == "scale" else request.data
        return _answer(self._merge(key, self._managed(key, request, change) if applied else change))

    def _managed(self, key: StoreKey, request: Any, change: Object) -> Object:
        """Note who applied the object, but not which of its fields."""
        entry = {"manager": request.params["fieldManager"], "operation": "Apply"}
        known = self.store.get(key, {}).get("metadata", {}).get("managedFields", [])
        managers = [*(found for found in known if found != entry), entry]
        return {**change, "metadata": {**change.get("metadata", {}), "managedFields": managers}}

    def _is_other_version(self, key: StoreKey, applied: Object) -> bool:
        """Tell whether an apply names another version than that of the object that is there."""
        wanted = applied["metadata"].get("resourceVersion")
        return wanted is not None and key in self.store and self.store[key]["metadata"]["resourceVersion"] != wanted

    def _put(self, request: Any) -> aiohttp.web.Response:
        key = (request.resource, request.namespace, request.name)
        if key not in self.store:
            return _failure(404, f"{request.name} not found")
        if request.data["metadata"]["resourceVersion"] != self.store[key]["metadata"]["resourceVersion"]:
            return _failure(409, f"{request.name} has been modified")
        return _answer(self._replace(key, request.data))

    def _note(self, request: Any) -> None:
        """Keep what was asked to be changed; an election that goes on writes all the time."""
        if request.resource == LEASES:
            return
        what = f"{request.method.value} {request.url.path}"
        self.writes.append(what)
        by = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.log.append(Write(by, what, self.leader()))

    def _remove(self, request: Any) -> aiohttp.web.Response:
        key = (request.resource, request.namespace, request.name)
        if key not in self.store:
            return _failure(404, f"{request.name} not found")
        uid = (request.data or {}).get("preconditions", {}).get("uid")
        if uid not in (None, self.store[key]["metadata"]["uid"]):
            return _failure(409, "the uid differs")
        return _answer(self._delete(key))

    async def _watch(self, request: Any) -> aiohttp.web.StreamResponse:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        watcher = (request.resource, request.params.get("labelSelector", ""), queue)
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "application/json"})
        since = int(request.params.get("resourceVersion", "0") or 0)
        for missed in [body for key, body in self.store.items() if key[0] == request.resource]:
            if int(missed["metadata"]["resourceVersion"]) > since and _selected(missed, watcher[1]):
                queue.put_nowait({"type": "ADDED", "object": missed})
        self._watchers.append(watcher)
        try:
            await response.prepare(request._raw_request)
            while event := await queue.get():
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._watchers.remove(watcher)
        return response

    # The store.

    def _merge(self, key: StoreKey, change: Object) -> Object:
        old = self.store.get(key)
        return self._replace(key, _merged(old or {}, change))

    def _replace(self, key: StoreKey, body: Object) -> Object:
        old = self.store.get(key)
        if old == body:
            return old
        self._version += 1
        metadata = dict(body["metadata"])
        if key[0] == DEPLOYMENTS:
            body = {**body, "spec": {"replicas": 1, **body["spec"]}}
        generation = 1 if old is None else old["metadata"]["generation"] + (old.get("spec") != body.get("spec"))
        metadata |= {"resourceVersion": str(self._version), "generation": generation}
        metadata.setdefault("uid", f"uid-{self._version}")
        if key[1] is not None:
            metadata.setdefault("namespace", key[1])
        metadata.setdefault(
            "creationTimestamp", f"2026-01-01T{self._version // 3600:02}:{self._version // 60 % 60:02}:00Z"
        )
        self.store[key] = copy.deepcopy({**body, "metadata": metadata})
        self._tell(key, old, self.store[key])
        return self.store[key]

    def _delete(self, key: StoreKey) -> Object:
        self._version += 1
        body = self.store[key]
        self._tell(key, body, None)
        del self.store[key]
        for child in list(self._children(body["metadata"]["uid"])):
            self._delete(child)
        return body

    def _children(self, uid: str) -> Iterator[StoreKey]:
        for key, body in list(self.store.items()):
            if key in self.store and any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences", ())):
                yield key

    def _tell(self, key: StoreKey, old: Object | None, new: Object | None) -> None:
        """Tell the watches; what a selector selects no more is told as deleted."""
        for resource, selector, queue in self._watchers:
            if resource != key[0]:
                continue
            was, is_now = (body is not None and _selected(body, selector) for body in (old, new))
            if was or is_now:
                kind = "DELETED" if not is_now else "MODIFIED" if was else "ADDED"
                version = {"resourceVersion": str(self._version)}
                body = copy.deepcopy(new if is_now else old) or {}
                queue.put_nowait({"type": kind, "object": {**body, "metadata": {**body["metadata"], **version}}})


def _merged(old: Object, change: Object) -> Object:
    """Merge maps; replace everything else. The operator applies whole objects, so lists need no merge keys."""
    merged = {
        name: _merged(old.get(name) or {}, value) if isinstance(value, dict) and name not in ATOMIC else value
        for name, value in change.items()
    }
    return {**old, **merged}


def _selected(body: Object, selector: str) -> bool:
    labels = body["metadata"].get("labels", {})
    terms = [term.partition("=") for term in selector.split(",") if term]
    return all(labels.get(name) == value for name, _, value in terms)


def _has_fields(body: Object, selector: str) -> bool:
    terms = [term.partition("=") for term in selector.split(",") if term]
    return all(functools.reduce(dict.__getitem__, path.split("."), body) == value for path, _, value in terms)


def _answer(body: Object, status: int = 200) -> aiohttp.web.Response:
    return aiohttp.web.json_response(body, status=status)


def _failure(status: int, message: str) -> aiohttp.web.Response:
    return _answer({"kind": "Status", "status": "Failure", "code": status, "message": message}, status)
