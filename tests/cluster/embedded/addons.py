"""What every cluster has beside the control plane: CoreDNS and storage, as objects (pure); and fake nodes for kwok."""

import json
from typing import Any

from tests.cluster.embedded.layout import Layout
from tests.cluster.tinyimages import BUSYBOX, COREDNS, LOCAL_PATH

Object = dict[str, Any]
_STORAGE = "local-path-storage"
_RBAC = "rbac.authorization.k8s.io"
# Two server blocks: within one, `template` would answer before `kubernetes` is asked.
_COREFILE = """cluster.local:1053 in-addr.arpa:1053 ip6.arpa:1053 {
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
    reload
}
.:1053 {
    errors
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
"""


def addons(layout: Layout) -> list[Object]:
    """Return the objects in the order in which they are applied."""
    return [*_dns(layout), *_storage(layout)]


def fake_node(index: int) -> Object:
    """Return a node that kwok plays; its taint keeps ordinary pods away."""
    name = f"kwok-{index}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
        },
        "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
    }


def fake_capacity(gpus: int) -> dict[str, str]:
    """Return what a fake node offers."""
    return {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110", "nvidia.com/gpu": str(gpus)}


def _dns(layout: Layout) -> list[Object]:
    labels = {"k8s-app": "kube-dns"}
    rules = [
        _rule("", "endpoints services pods namespaces", "list watch"),
        _rule("discovery.k8s.io", "endpointslices", "list watch"),
    ]
    container = {
        "name": "coredns",
        "image": COREDNS,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"containerPort": 1053, "protocol": protocol, "name": f"dns-{protocol.lower()}"} for protocol in _DNS
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10, "failureThreshold": 6},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": _CONFINED,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "securityContext": _NOBODY,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    service = {
        "clusterIP": layout.dns_address,
        "selector": labels,
        "ports": [
            {"name": f"dns-{protocol.lower()}", "port": 53, "targetPort": 1053, "protocol": protocol}
            for protocol in _DNS
        ],
    }
    return [
        _object("v1", "ServiceAccount", "coredns", "kube-system"),
        *_cluster_role("coredns", "kube-system", rules),
        {**_object("v1", "ConfigMap", "coredns", "kube-system"), "data": {"Corefile": _COREFILE}},
        _deployment("coredns", "kube-system", labels, pod),
        {**_object("v1", "Service", "kube-dns", "kube-system"), "spec": service},
    ]


def _storage(layout: Layout) -> list[Object]:
    rules = [
        _rule("", "nodes persistentvolumeclaims configmaps pods pods/log", "get list watch"),
        _rule("", "persistentvolumes", "get list watch create patch update delete"),
        _rule("", "events", "create patch"),
        _rule("storage.k8s.io", "storageclasses", "get list watch"),
    ]
    paths = {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [str(layout.state / "volumes")]}]}
    helper = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {"containers": [{"name": "helper-pod", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent"}]},
    }
    data = {
        "config.json": json.dumps(paths),
        "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
        "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
        "helperPod.yaml": json.dumps(helper),
    }
    container = {
        "name": "local-path-provisioner",
        "image": LOCAL_PATH,
        "args": ["start", "--config", "/etc/config/config.json", "--helper-image", BUSYBOX],
        "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "securityContext": _CONFINED,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "local-path-provisioner-service-account",
        "securityContext": _NOBODY,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "local-path-config"}}],
    }
    account = "local-path-provisioner-service-account"
    storage_class = {
        **_object("storage.k8s.io/v1", "StorageClass", "local-path"),
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }
    storage_class["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        _object("v1", "Namespace", _STORAGE),
        _object("v1", "ServiceAccount", account, _STORAGE),
        *_cluster_role(account, _STORAGE, rules),
        # The helper pods that make and remove folders run in the provisioner's own namespace.
        {**_object(f"{_RBAC}/v1", "Role", account, _STORAGE), "rules": [_rule("", "pods", "create delete")]},
        _binding("RoleBinding", "Role", account, _STORAGE),
        {**_object("v1", "ConfigMap", "local-path-config", _STORAGE), "data": data},
        _deployment("local-path-provisioner", _STORAGE, {"app": "local-path-provisioner"}, pod),
        storage_class,
    ]


_DNS = ("UDP", "TCP")
_NOBODY = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
_CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _object(version: str, kind: str, name: str, namespace: str = "") -> Object:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}}


def _deployment(name: str, namespace: str, labels: dict[str, str], pod: Object) -> Object:
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {**_object("apps/v1", "Deployment", name, namespace), "spec": spec}


def _cluster_role(account: str, namespace: str, rules: list[Object]) -> list[Object]:
    role = {**_object(f"{_RBAC}/v1", "ClusterRole", f"nereid-cluster:{account}"), "rules": rules}
    return [role, _binding("ClusterRoleBinding", "ClusterRole", account, namespace)]


def _binding(kind: str, role_kind: str, account: str, namespace: str) -> Object:
    name = f"nereid-cluster:{account}" if role_kind == "ClusterRole" else account
    return {
        **_object(f"{_RBAC}/v1", kind, name, namespace if kind == "RoleBinding" else ""),
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def _rule(group: str, resources: str, verbs: str) -> Object:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
