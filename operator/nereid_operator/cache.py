"""What was seen last of each object, by kind and by the ModelDeployment it belongs to.

Comes in: bodies from watches, from lists and from the answers to our own writes. Goes out: bodies and facts for the
reconciler. Filled by feed.py, read by reconciler.py; holds no logic of reconciliation. Pods are kept as facts,
namespaces as their labels, policies also as what was read of them, of managedFields only who manages. Bodies are kept
as JSON: a Deployment is 8 KiB so, as Python's objects 50, and reading it takes 50 µs. An older reading never replaces
a newer one, nor brings back what was deleted: lists, answers and watches race.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from nereid_operator.api.policy_validation import read_policy
from nereid_operator.api.resources import (
    CHILDREN,
    CLUSTER_SCOPED,
    DEPLOYMENT,
    JOB,
    LABEL_MODEL,
    MODEL_DEPLOYMENT,
    NAMESPACE,
    POD,
    SERVICE,
    SERVING_POLICY,
    Body,
    Key,
    Resource,
)
from nereid_operator.api.serving_policy import Policy
from nereid_operator.observe import PodFacts, pod_facts


@dataclass(frozen=True, slots=True)
class _Entry:
    json: bytes
    facts: PodFacts | Policy | None
    version: int
    uid: str

    @property
    def body(self) -> Body:
        found: Body = orjson.loads(self.json)
        return found


@dataclass(slots=True)
class Cache:
    """The newest reading of every object that concerns us."""

    _entries: dict[Resource, dict[Key, dict[str, _Entry]]] = field(default_factory=dict)
    # What went since the last list, by uid: up to which version a reading of it is out of date.
    _deleted: dict[Resource, dict[str, int]] = field(default_factory=dict)

    def put(self, resource: Resource, body: Body) -> Key | None:
        """Keep an object; return the key it concerns, None for an object without our label."""
        key = owner_key(resource, body)
        if key is None:
            return None
        name, entry = body["metadata"]["name"], _entry(resource, body)
        if entry.version <= self._deleted.get(resource, {}).get(entry.uid, -1):
            return key
        entries = self._entries.setdefault(resource, {}).setdefault(key, {})
        known = entries.get(name)
        if known is None or known.uid != entry.uid or known.version <= entry.version:
            entries[name] = entry
        return key

    def drop(self, resource: Resource, body: Body) -> Key | None:
        """Forget an object that was deleted; return the ModelDeployment it concerned."""
        key = owner_key(resource, body)
        if key is None:
            return None
        uid, name = body["metadata"].get("uid", ""), body["metadata"]["name"]
        self._deleted.setdefault(resource, {})[uid] = _version(body["metadata"].get("resourceVersion", ""))
        known = self._get_entry(resource, key, name)
        if known is not None and known.uid == uid:
            self._forget(resource, key, [name])
        return key

    def prune(self, resource: Resource, listed: Container[tuple[Key | None, str]], resource_version: str) -> None:
        """Forget what a list of a whole kind does not have: so deletions are noticed that no watch reported.

        `listed` has key and name of each object, all of which have been put; `resource_version` is that of the list.
        """
        version = _version(resource_version)
        for key, entries in list(self._entries.get(resource, {}).items()):
            # What is newer than the list was created after it was taken.
            gone = [name for name, entry in entries.items() if (key, name) not in listed and entry.version <= version]
            self._forget(resource, key, gone)
        deleted = {uid: at for uid, at in self._deleted.pop(resource, {}).items() if at > version}
        if deleted:
            self._deleted[resource] = deleted

    def model_keys(self) -> set[Key]:
        """Return every ModelDeployment of which there is anything."""
        return {key for resource, by_key in self._entries.items() if resource not in CLUSTER_SCOPED for key in by_key}

    def policy_keys(self) -> set[Key]:
        """Return every ServingPolicy."""
        return set(self._entries.get(SERVING_POLICY, {}))

    def policy(self, key: Key) -> Body | None:
        """Return a ServingPolicy itself."""
        return self._get(SERVING_POLICY, key, key.name)

    def policy_read(self, key: Key) -> Policy | None:
        """Return what was read of a ServingPolicy."""
        entry = self._get_entry(SERVING_POLICY, key, key.name)
        return entry.facts if entry and isinstance(entry.facts, Policy) else None

    def policies(self) -> tuple[Policy, ...]:
        """Return what was read of every ServingPolicy."""
        return tuple(policy for key in self.policy_keys() if (policy := self.policy_read(key)))

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None for one that was not seen yet."""
        body = self._get(NAMESPACE, Key("", namespace), namespace)
        return None if body is None else body["metadata"]["labels"]

    def model_deployment(self, key: Key) -> Body | None:
        """Return the ModelDeployment itself."""
        return self._get(MODEL_DEPLOYMENT, key, key.name)

    def model_deployments(self) -> Iterator[Body]:
        """Yield every ModelDeployment."""
        for entries in self._entries.get(MODEL_DEPLOYMENT, {}).values():
            yield from (entry.body for entry in entries.values())

    def counts(self) -> dict[Resource, int]:
        """Return how many objects of each kind there are."""
        return {resource: sum(map(len, by_key.values())) for resource, by_key in self._entries.items()}

    def deployments(self, key: Key) -> tuple[Body, ...]:
        """Return the Deployments of its revisions."""
        return tuple(entry.body for entry in self._of(DEPLOYMENT, key))

    def jobs(self, key: Key) -> tuple[Body, ...]:
        """Return its Jobs."""
        return tuple(entry.body for entry in self._of(JOB, key))

    def service(self, key: Key) -> Body | None:
        """Return its Service."""
        return self._get(SERVICE, key, key.name)

    def pods(self, key: Key) -> tuple[PodFacts, ...]:
        """Return its pods, by name."""
        return tuple(entry.facts for entry in self._of(POD, key) if isinstance(entry.facts, PodFacts))

    def every_pod(self) -> Iterator[tuple[Key, PodFacts]]:
        """Yield all pods there are, with the ModelDeployments that they belong to."""
        for key, entries in self._entries.get(POD, {}).items():
            yield from ((key, entry.facts) for entry in entries.values() if isinstance(entry.facts, PodFacts))

    def child(self, resource: Resource, key: Key, name: str) -> Body | None:
        """Return one child by name."""
        return self._get(resource, key, name)

    def children(self, key: Key) -> Iterator[tuple[Resource, Body]]:
        """Yield all its children but the pods, which are their controllers'."""
        for resource in CHILDREN:
            if resource != POD:
                yield from ((resource, entry.body) for entry in self._of(resource, key))

    def _get(self, resource: Resource, key: Key, name: str) -> Body | None:
        entry = self._get_entry(resource, key, name)
        return entry.body if entry else None

    def _get_entry(self, resource: Resource, key: Key, name: str) -> _Entry | None:
        return self._entries.get(resource, {}).get(key, {}).get(name)

    def _forget(self, resource: Resource, key: Key, names: Iterable[str]) -> None:
        """Forget children by name, and with the last of them that there were any."""
        by_key = self._entries[resource]
        for name in names:
            del by_key[key][name]
        if not by_key[key]:
            del by_key[key]

    def _of(self, resource: Resource, key: Key) -> Iterator[_Entry]:
        entries = self._entries.get(resource, {}).get(key, {})
        yield from (entries[name] for name in sorted(entries))


def owner_key(resource: Resource, body: Body) -> Key | None:
    """Return the ModelDeployment that an object is or belongs to; what has no namespace is a key of its own."""
    metadata = body["metadata"]
    if resource in CLUSTER_SCOPED:
        return Key("", metadata["name"])
    if resource == MODEL_DEPLOYMENT:
        return Key(metadata["namespace"], metadata["name"])
    name = metadata.get("labels", {}).get(LABEL_MODEL)
    return Key(metadata["namespace"], name) if name else None


def _entry(resource: Resource, body: Body) -> _Entry:
    metadata = body["metadata"]
    version, uid = _version(metadata.get("resourceVersion", "")), metadata.get("uid", "")
    if resource == POD:
        return _Entry(b"", pod_facts(body), version, uid)
    facts = read_policy(body) if resource == SERVING_POLICY else None
    # A copy has the size of the text; orjson's own result stays in the larger buffer that it was written to.
    json = memoryview(orjson.dumps(_kept(resource, body))).tobytes()
    return _Entry(json, facts, version, uid)


def _kept(resource: Resource, body: Body) -> Body:
    """Return the part of an object that is kept."""
    metadata = body["metadata"]
    if resource == NAMESPACE:
        return {"metadata": {"labels": metadata.get("labels", {})}}
    if "managedFields" not in metadata:
        return {**body}
    return {**body, "metadata": {**metadata, "managedFields": _managers(metadata["managedFields"])}}


def _managers(managed_fields: Iterable[Body]) -> list[dict[str, str]]:
    """Return who manages fields, without the fields, which are as long as all the rest.

    Both are optional: a client that sends no User-Agent is a manager without a name.
    """
    return [{name: entry[name] for name in ("manager", "operation") if name in entry} for entry in managed_fields]


def _version(resource_version: str) -> int:
    """Return the version as a number; versions of one server grow. 0 when it is none, which counts as oldest."""
    return int(resource_version) if resource_version.isdigit() else 0
