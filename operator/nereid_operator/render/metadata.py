"""Labels, owner reference and object metadata that every child of a ModelDeployment carries. Pure."""

from enum import StrEnum
from typing import Any

from nereid_operator.api.resources import (
    LABEL_COMPONENT,
    LABEL_MANAGED_BY,
    LABEL_MODEL,
    LABEL_REVISION,
    MANAGED_BY,
    MODEL_DEPLOYMENT,
    Body,
)
from nereid_operator.plan.ir import Owner

Manifest = dict[str, Any]


class Component(StrEnum):
    """What an object is there for."""

    MODEL = "model"  # every pod of the model
    RESOLVE = "resolve"  # the resolve Job
    REPLICA = "replica"  # the pods that serve


def labels(owner: Owner, component: Component) -> dict[str, str]:
    """Return the labels of a child: Kubernetes' recommended ones and our own.

    No version is among them: pods would be replaced for a release that changes nothing about them.
    """
    return {
        "app.kubernetes.io/name": "nereid-model",
        "app.kubernetes.io/instance": owner.name,
        LABEL_COMPONENT: str(component),
        "app.kubernetes.io/part-of": "nereid",
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_MODEL: owner.name,
    }


def revision_labels(owner: Owner, revision: str) -> dict[str, str]:
    """Return the labels of a revision's Deployment and pods."""
    return {**labels(owner, Component.REPLICA), LABEL_REVISION: revision}


def selector(owner: Owner, revision: str) -> dict[str, str]:
    """Return the labels by which Deployment and Service find the pods of a revision."""
    return {LABEL_MODEL: owner.name, LABEL_REVISION: revision}


def metadata(owner: Owner, name: str, object_labels: dict[str, str]) -> dict[str, Any]:
    """Return ObjectMeta of a child: it goes when its owner goes."""
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": object_labels,
        "ownerReferences": [
            {
                "apiVersion": MODEL_DEPLOYMENT.api_version,
                "kind": MODEL_DEPLOYMENT.kind,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def labels_of(manifest: Manifest, live: Body) -> Manifest:
    """Return the part of a manifest that labels this very object, and says nothing else of it."""
    identity = {"name": manifest["metadata"]["name"], "namespace": manifest["metadata"]["namespace"]}
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": {**identity, "uid": live["metadata"]["uid"], "labels": manifest["metadata"]["labels"]},
    }
