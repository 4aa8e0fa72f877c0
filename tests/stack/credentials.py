"""Secrets that a ModelDeployment may name."""

from tests.stack.kubectl import Object


def model_credentials(name: str, namespace: str, **values: str) -> Object:
    """Return a Secret that a ModelDeployment may name; its key `hosts` says where it may be sent."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "nereid.dev/model-credentials",
        "stringData": values,
    }
