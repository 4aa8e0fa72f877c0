"""The kinds that the operator reads and writes, and the labels it puts on what it owns.

Used by every layer; holds constants only. The labels are part of the contract in docs/architecture.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Body = Mapping[str, Any]
"""An object as the API server gives it: parsed JSON, never changed in place."""


class Key(NamedTuple):
    """Names one ModelDeployment, or without a namespace a ServingPolicy; the work queue's unit."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else f"ServingPolicy {self.name}"


class Listing(NamedTuple):
    """Everything of one kind, as of a version."""

    items: tuple[Body, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and where the API server keeps it."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """Return what stands in `apiVersion`: the core group has no name."""
        return f"{self.group}/{self.version}" if self.group else self.version


MODEL_DEPLOYMENT = Resource("nereid.dev", "v1alpha1", "ModelDeployment", "modeldeployments")
SERVING_POLICY = Resource("nereid.dev", "v1alpha1", "ServingPolicy", "servingpolicies")
NAMESPACE = Resource("", "v1", "Namespace", "namespaces")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
JOB = Resource("batch", "v1", "Job", "jobs")
SERVICE = Resource("", "v1", "Service", "services")
SERVICE_ACCOUNT = Resource("", "v1", "ServiceAccount", "serviceaccounts")
SECRET = Resource("", "v1", "Secret", "secrets")
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps")
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
POD = Resource("", "v1", "Pod", "pods")
EVENT = Resource("", "v1", "Event", "events")
LEASE = Resource("coordination.k8s.io", "v1", "Lease", "leases")

CHILDREN = (DEPLOYMENT, JOB, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, NETWORK_POLICY, POD_DISRUPTION_BUDGET, POD)
# What has no namespace, and concerns the models of many.
CLUSTER_SCOPED = (SERVING_POLICY, NAMESPACE)
WATCHED = (*CLUSTER_SCOPED, MODEL_DEPLOYMENT, *CHILDREN)

LABEL_NAMESPACE = "kubernetes.io/metadata.name"

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_MODEL = "nereid.dev/model"
LABEL_REVISION = "nereid.dev/revision"
LABEL_SYSTEM = "nereid.dev/system"  # on the pods of the chart, which may reach every port of a model's pods
LABEL_LEADER = "nereid.dev/leader"  # "true" on the pod of the operator that leads, for the gateways' Service
ANNOTATION_REFRESH = "nereid.dev/refresh"
ANNOTATION_ATTEMPT = "nereid.dev/attempt"
ANNOTATION_EGRESS = "nereid.dev/egress"
ANNOTATION_REPLICAS = "nereid.dev/replicas"
ANNOTATION_SERVING_REPLICAS = "nereid.dev/serving-replicas"
LABEL_JOB_NAME = "batch.kubernetes.io/job-name"
MANAGED_BY = "nereid"
CREDENTIALS_TYPE = "nereid.dev/model-credentials"  # of the Secrets that a model may name
OWNED_SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY}"

MANAGER_OBJECTS = "nereid"
MANAGER_SCALE = "nereid-scale"
MANAGER_STATUS = "nereid-status"
MANAGER_LEADER = "nereid-leader"
