"""The revisions of a model as the cluster has them: Deployments, and the pods that serve or will."""

from tests.stack.kubectl import MODELS, Kubectl, Object
from tests.stack.manifests import is_ready
from tests.stack.wait import wait_for


def deployments_of(kubectl: Kubectl, namespace: str, model: str) -> dict[str, Object]:
    """Return the Deployments of a model by name, one for each revision."""
    found = kubectl.select("deployments", namespace, f"nereid.dev/model={model}")
    return {body["metadata"]["name"]: body for body in found}


def replicas_of(kubectl: Kubectl, namespace: str, model: str) -> dict[str, Object]:
    """Return the pods of all revisions by uid, without those that are going."""
    found = kubectl.select("pods", namespace, f"nereid.dev/model={model},nereid.dev/revision")
    return {body["metadata"]["uid"]: body for body in found if "deletionTimestamp" not in body["metadata"]}


def served_alone(kubectl: Kubectl, namespace: str, model: str, *, seconds: float) -> str:
    """Wait until the spec's own revision serves and no other has pods; return its Deployment's name."""

    def alone() -> str | None:
        body = kubectl.get(MODELS, model, namespace)
        if body is None or not is_ready(body):
            return None
        found = deployments_of(kubectl, namespace, model)
        wanted = [name for name, deployment in found.items() if _has_pods(deployment)]
        return wanted[0] if wanted == [f"{model}-{body['status']['revisions']['current']}"] else None

    return wait_for(f"the revision of {model}'s spec serves alone", alone, seconds=seconds)


def _has_pods(deployment: Object) -> bool:
    return bool(deployment["spec"]["replicas"] or deployment["status"].get("replicas"))
