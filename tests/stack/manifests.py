"""The ModelDeployments and namespaces that the end-to-end tests and the demo apply."""

from typing import Any

from tests.stack.kubectl import Object
from tests.stack.store import Store

# The pods and Services of the embedded cluster, and those of kind and of most others.
CLUSTER_NETWORKS = ("198.18.0.0/15", "10.0.0.0/8")
CLOSED_LABEL = "nereid.dev/closed"


def restricted_namespace(name: str) -> Object:
    """Return a namespace in which only pods of the "restricted" pod security standard may run."""
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforce}}


def mirrors_policy() -> Object:
    """Return the policy that lets models come from inside the cluster, but for namespaces labelled as closed."""
    elsewhere = {"matchExpressions": [{"key": CLOSED_LABEL, "operator": "DoesNotExist"}]}
    return {
        "apiVersion": "nereid.dev/v1alpha1",
        "kind": "ServingPolicy",
        "metadata": {"name": "mirrors"},
        "spec": {"namespaceSelector": elsewhere, "allowedCIDRs": list(CLUSTER_NETWORKS)},
    }


def model_deployment(name: str, namespace: str, uri: str, store: Store, **spec: Any) -> Object:
    """Return the short manifest of a model that lies in the store."""
    source = {"endpoint": store.endpoint, "region": "us-east-1"}
    model = {"uri": uri, "source": source, "credentials": {"secretName": "store-key"}, **spec.pop("model", {})}
    return {
        "apiVersion": "nereid.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": model, **spec},
    }


def claim(name: str, namespace: str) -> Object:
    """Return a claim of the cluster's default StorageClass, for pods of one node."""
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": asked}


def condition(model: Object, kind: str) -> dict[str, Any]:
    """Return the named condition of an object's status, or an empty one."""
    conditions = model.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def is_ready(model: Object) -> bool:
    """Tell whether the model is Ready for the spec it has now."""
    ready = condition(model, "Ready")
    return ready.get("status") == "True" and ready.get("observedGeneration") == model["metadata"]["generation"]
