"""What the pods of replicas and of resolve Jobs share: security contexts, source arguments, volumes. Pure.

The contract of docs/architecture.md: user 65532, no capabilities, read-only root, no API token.
"""

from typing import Any

from nereid_operator.plan.ir import CaBundle, ContainerResources, ModelSource, Owner, Proxy
from nereid_operator.plan.names import account_name, egress_name

USER_ID = 65532
CREDENTIALS_PATH = "/var/run/nereid/credentials"
CA_BUNDLE_FOLDER = "/var/run/nereid/ca"
CA_BUNDLE_FILE = "ca.crt"
CLAIM_PATH = "/var/run/nereid/claim"
EGRESS_FOLDER = "/var/run/nereid/egress"
EGRESS_FILE = "egress.json"

TMP_VOLUME = {"name": "tmp", "emptyDir": {}}
TMP_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 (the pod's own emptyDir)


def pod_defaults(owner: Owner) -> dict[str, Any]:
    """Return the part of PodSpec that is the same in every pod of a model."""
    return {
        "serviceAccountName": account_name(owner.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_security() -> dict[str, Any]:
    """Return the security context that Pod Security "restricted" asks for, and a read-only root."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def resources(wanted: ContainerResources) -> dict[str, Any]:
    """Return ResourceRequirements, without empty halves."""
    halves = {"requests": dict(wanted.requests), "limits": dict(wanted.limits)}
    return {half: quantities for half, quantities in halves.items() if quantities}


def source_arguments(source: ModelSource) -> list[str]:
    """Return the source arguments of the model-runtime image."""
    optional = {
        "--revision": source.revision,
        "--digest": source.digest,
        "--endpoint": source.endpoint,
        "--region": source.region,
        "--file": source.file,
        "--ca-bundle": f"{CA_BUNDLE_FOLDER}/{CA_BUNDLE_FILE}" if source.ca_bundle else None,
        "--ca-bundle-name": _named(source.ca_bundle) if source.ca_bundle else None,
        "--credentials": CREDENTIALS_PATH if source.credentials_secret else None,
        "--credentials-name": f"Secret {source.credentials_secret}" if source.credentials_secret else None,
        "--claim": CLAIM_PATH if source.claim else None,
    }
    always = [f"--uri={source.uri}", f"--egress={EGRESS_FOLDER}/{EGRESS_FILE}"]
    return [*always, *(f"{flag}={value}" for flag, value in optional.items() if value)]


def _named(bundle: CaBundle) -> str:
    return f"ConfigMap {bundle.config_map} (key {bundle.key})"


def proxy_variables(proxy: Proxy | None) -> dict[str, str]:
    """Return the variables by which a command of the model-runtime image finds its proxies."""
    if proxy is None:
        return {}
    optional = {"HTTP_PROXY": proxy.http, "HTTPS_PROXY": proxy.https, "NO_PROXY": proxy.no_proxy}
    return {name: value for name, value in optional.items() if value}


def source_volumes(owner: Owner, source: ModelSource) -> list[dict[str, Any]]:
    """Return the volumes of what the source is reached with: credentials, certificates, where it may be, a claim.

    All but the claim are optional to kubelet, which would say what is missing nowhere but in Events: the command itself
    says it. Of a claim that is missing the scheduler tells.
    """
    egress = {"name": egress_name(owner.name), "optional": True}
    volumes: list[dict[str, Any]] = [{"name": "egress", "configMap": egress}]
    if source.credentials_secret is not None:
        secret = {"secretName": source.credentials_secret, "defaultMode": 0o440, "optional": True}
        volumes.append({"name": "credentials", "secret": secret})
    if source.ca_bundle is not None:
        items = [{"key": source.ca_bundle.key, "path": CA_BUNDLE_FILE}]
        config_map = {"name": source.ca_bundle.config_map, "items": items, "optional": True}
        volumes.append({"name": "ca-bundle", "configMap": config_map})
    if source.claim is not None:
        # Read-only for the volume too, or kubelet would change the group of every file in it (fsGroup).
        claim = {"claimName": source.claim, "readOnly": True}
        volumes.append({"name": "claim", "persistentVolumeClaim": claim})
    return volumes


def source_mounts(owner: Owner, source: ModelSource) -> list[dict[str, Any]]:
    """Return the mounts that belong to `source_volumes`."""
    paths = {
        "egress": EGRESS_FOLDER,
        "credentials": CREDENTIALS_PATH,
        "ca-bundle": CA_BUNDLE_FOLDER,
        "claim": CLAIM_PATH,
    }
    names = [volume["name"] for volume in source_volumes(owner, source)]
    return [{"name": name, "mountPath": paths[name], "readOnly": True} for name in names]
