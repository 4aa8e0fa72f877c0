"""Names and hashes of the objects of one ModelDeployment; docs/architecture.md fixes them.

Pure. A hash is over canonical JSON, so that the same meaning gives the same name in every process.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nereid_operator.api.model_deployment import Model
from nereid_operator.api.resources import Key
from nereid_operator.api.runtime import DEFAULT_QUEUE_SIZE
from nereid_operator.plan.ir import CaBundle, Egress, Placement, Proxy, Workload

HASH_DIGITS = 8
_LATER: Mapping[str, object] = {
    **dict.fromkeys(("pod", "proxy", "accelerator", "ca_bundle", "node_affinity", "pod_affinity", "pod_anti_affinity")),
    **dict.fromkeys(("cache", "claim", "file", "queue_timeout_microseconds", "dtype", "response_cache_bytes", "vllm")),
    "max_queue_size": DEFAULT_QUEUE_SIZE,
}
"""Fields that came later, each with its value when nothing is said."""


def digest_of(value: object) -> str:
    """Return 8 hex digits over a value of JSON types."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_DIGITS]


def input_hash(model: Model) -> str:
    """Return the hash over what the resolve Job is asked; served name and cache are no part of it."""
    return digest_of(model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"served_name", "cache"}))


def refresh_hash(value: str) -> str:
    """Return the hash over a value of the annotation nereid.dev/refresh; empty when there is none."""
    return digest_of(value) if value else ""


def egress_hash(egress: Egress | None) -> str:
    """Return the hash over where a model may be fetched from; empty when nothing is said of it."""
    return digest_of(asdict(egress)) if egress else ""


def resolve_job_name(
    name: str, model: Model, image: str, *ways: Placement | Proxy | CaBundle | None, refresh: str = ""
) -> str:
    """Return the name of the resolve Job.

    A new image may read what an older one could not, another placement may find a node, and another proxy or bundle of
    certificates may reach the source, so these ask again; so does `refresh`, the hash over what was asked for by hand.
    """
    asked = [
        input_hash(model),
        image,
        *(_said(way) for way in ways if way is not None),
        *([refresh] if refresh else []),
    ]
    return f"{name}-resolve-{digest_of(asked)}"


def revision_hash(workload: Workload) -> str:
    """Return the hash over what makes the pods differ."""
    return digest_of(_said(workload))


def _said(value: Workload | Placement | Proxy | CaBundle) -> dict[str, Any]:
    """Leave out the fields that came later and say nothing: names must stay what they were before there were any."""
    return asdict(
        value,
        dict_factory=lambda pairs: {name: said for name, said in pairs if name not in _LATER or said != _LATER[name]},
    )


def deployment_name(name: str, revision: str) -> str:
    """Return the name of the Deployment of a revision."""
    return f"{name}-{revision}"


def account_name(name: str) -> str:
    """Return the name of the ServiceAccount; a model called `default` must not take the namespace's own."""
    return f"{name}-model"


def egress_name(name: str) -> str:
    """Return the name of the ConfigMap that says where the model may be fetched from."""
    return f"{name}-egress"


def alias(key: Key) -> str:
    """Return the name by which a model is known wherever it is called from; no two models have the same."""
    return f"{key.namespace}.{key.name}"


def url(key: Key) -> str:
    """Return where the model answers inside the cluster."""
    return f"http://{key.name}.{key.namespace}.svc"


def replica_selector(name: str, revision: str) -> str:
    """Return the label selector, as text, of the pods of a revision (the scale subresource wants text)."""
    return f"nereid.dev/model={name},nereid.dev/revision={revision}"
