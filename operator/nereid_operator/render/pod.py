"""What the pods of replicas and of resolve Jobs share: security contexts, source arguments, volumes. Pure.

The contract of docs/architecture.md: user 65532, no capabilities, read-only root, no API token.
"""

from typing import Any

from nereid_operator.plan.ir import ContainerResources, ModelSource

USER_ID = 65532
CREDENTIALS_PATH = "/var/run/nereid/credentials"

TMP_VOLUME = {"name": "tmp", "emptyDir": {}}
TMP_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 (the pod's own emptyDir)


def pod_defaults() -> dict[str, Any]:
    """Return the part of PodSpec that is the same in every pod."""
    return {
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
        "--credentials": CREDENTIALS_PATH if source.credentials_secret else None,
    }
    return [f"--uri={source.uri}", *(f"{flag}={value}" for flag, value in optional.items() if value)]


def credentials_volumes(source: ModelSource) -> list[dict[str, Any]]:
    """Return the volume of the credentials' Secret, when there is one."""
    if source.credentials_secret is None:
        return []
    return [{"name": "credentials", "secret": {"secretName": source.credentials_secret, "defaultMode": 0o440}}]


def credentials_mounts(source: ModelSource) -> list[dict[str, Any]]:
    """Return the mount that belongs to `credentials_volumes`."""
    if source.credentials_secret is None:
        return []
    return [{"name": "credentials", "mountPath": CREDENTIALS_PATH, "readOnly": True}]
