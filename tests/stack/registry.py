"""A registry (distribution) in the cluster behind TLS and a password, and models pushed to it as ORAS would.

`push` needs nothing but httpx; the tests of the model runtime use it against a registry on loopback too.
"""

import hashlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.stack.certificates import Authority
from tests.stack.credentials import model_credentials
from tests.stack.kubectl import Kubectl, Object

IMAGE = "nereid.dev/registry:3.1.2"
PORT = 5000
USER, PASSWORD = "nereid", "nereid-test"
# The registry takes bcrypt alone.
HTPASSWD = f"{USER}:$2b$05$N8b7XW0yE1sVb5uQm2c3ruCO6M0vPrGLdp20/Vy14pH5MXduVEqGC\n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TITLE = "org.opencontainers.image.title"
_EMPTY = b"{}"
_CONFIG = "/etc/registry"


def digest_of(content: bytes) -> str:
    """Return `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(name: str, content: bytes, **other: Any) -> dict[str, Any]:
    """Return the descriptor of a file as ORAS writes it."""
    annotations = {TITLE: name}
    descriptor = {"mediaType": "application/octet-stream", "digest": digest_of(content), "size": len(content)}
    return {**descriptor, "annotations": annotations, **other}


def artifact(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the manifest of an artifact of these layers."""
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": digest_of(_EMPTY),
        "size": len(_EMPTY),
    }
    artifact_type = "application/vnd.cncf.model.manifest.v1+json"
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": config,
        "layers": layers,
    }


def push_blob(client: httpx.Client, repository: str, content: bytes) -> None:
    """Upload one blob, in two requests."""
    begun = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
    place = httpx.URL(begun.headers["Location"]).copy_merge_params({"digest": digest_of(content)})
    client.put(place, content=content, headers={"Content-Type": "application/octet-stream"}).raise_for_status()


def push_manifest(client: httpx.Client, repository: str, tag: str, manifest: Mapping[str, Any]) -> str:
    """Upload a manifest or an index under a tag and return its digest."""
    content = json.dumps(manifest).encode()
    headers = {"Content-Type": manifest["mediaType"]}
    client.put(f"/v2/{repository}/manifests/{tag}", content=content, headers=headers).raise_for_status()
    return digest_of(content)


def push(client: httpx.Client, repository: str, tag: str, files: Mapping[str, bytes]) -> str:
    """Push files as one artifact under a tag and return the digest of its manifest."""
    for content in {_EMPTY, *files.values()}:
        push_blob(client, repository, content)
    return push_manifest(client, repository, tag, artifact([layer(name, content) for name, content in files.items()]))


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry, the certificates to trust it by, and the digests of what was pushed, by `repository:tag`."""

    namespace: str
    certificates: Path
    digests: dict[str, str]

    @property
    def host(self) -> str:
        """The name by which pods reach it."""
        return f"registry.{self.namespace}.svc"

    def uri(self, repository: str) -> str:
        """Return the URI of a repository."""
        return f"oci://{self.host}:{PORT}/{repository}"

    def trusted(self, name: str, namespace: str) -> Object:
        """Return the ConfigMap that a ModelDeployment names to trust it."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"ca.crt": self.certificates.read_text()},
        }

    def credentials(self, name: str, namespace: str) -> Object:
        """Return the Secret that a ModelDeployment names to pull from it."""
        return model_credentials(name, namespace, hosts=self.host, username=USER, password=PASSWORD)


def start_registry(kubectl: Kubectl, namespace: str, authority: Authority, models: Mapping[str, Path]) -> Registry:
    """Start a registry that wants a password, and push models to it (`repository:tag` → folder)."""
    registry = Registry(namespace, authority.certificate, {})
    certificate = authority.issue("registry", f"DNS:{registry.host}", "IP:127.0.0.1")
    kubectl.apply(*_objects(registry, certificate.read_text()))
    kubectl.run("rollout", "status", "deployment/registry", "-n", namespace, "--timeout=60s")
    trusted = ssl.create_default_context(cafile=authority.certificate)
    with (
        kubectl.port_forward("service/registry", namespace, PORT) as local,
        httpx.Client(
            base_url=f"https://127.0.0.1:{local[PORT]}", auth=(USER, PASSWORD), verify=trusted, timeout=60
        ) as client,
    ):
        for place, folder in models.items():
            repository, _, tag = place.partition(":")
            registry.digests[place] = push(client, repository, tag, read_folder(folder))
    return registry


def configuration(address: str, folder: str, *, tls: str = "", auth: Mapping[str, Any] | None = None) -> str:
    """Return what the registry reads: JSON, which is YAML too."""
    http: dict[str, Any] = {"addr": address, "secret": "shared by no other"}
    if tls:
        http["tls"] = {"certificate": tls, "key": tls}
    whole: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": folder}, "delete": {"enabled": True}},
        "http": http,
    }
    return json.dumps({**whole, "auth": auth} if auth else whole)


def _objects(registry: Registry, certificate: str) -> list[Object]:
    labels = {"app.kubernetes.io/name": "registry"}
    meta = {"name": "registry", "namespace": registry.namespace, "labels": labels}
    auth = {"htpasswd": {"realm": "models", "path": f"{_CONFIG}/htpasswd"}}
    files = {
        "config.yml": configuration(f":{PORT}", "/data", tls=f"{_CONFIG}/tls.pem", auth=auth),
        "htpasswd": HTPASSWD,
        "tls.pem": certificate,
    }
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": files},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": _pod()},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"name": "https", "port": PORT}]},
        },
    ]


def _pod() -> Object:
    container = {
        "name": "registry",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["serve", f"{_CONFIG}/config.yml"],
        # Traces of its own would go to a collector that is not there.
        "env": [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "config", "mountPath": _CONFIG, "readOnly": True},
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "config", "secret": {"secretName": "registry", "defaultMode": 0o440}},
        ],
    }
