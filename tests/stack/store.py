"""An S3 server (versitygw) in the cluster, and models uploaded to it: where test replicas download from."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from tests.stack.credentials import model_credentials
from tests.stack.kubectl import Kubectl, Object

IMAGE = "nereid.dev/versitygw:1.8.0"
PORT = 7070
BUCKET = "models"


@dataclass(frozen=True, slots=True)
class Store:
    """A running S3 server and the key to it."""

    namespace: str
    access_key: str
    secret_key: str

    @property
    def endpoint(self) -> str:
        """The URL by which pods reach it."""
        return f"http://store.{self.namespace}.svc:{PORT}"

    def credentials(self, name: str, namespace: str) -> Object:
        """Return the Secret that a ModelDeployment names to read from this store."""
        keys = {"accessKeyId": self.access_key, "secretAccessKey": self.secret_key}
        return model_credentials(name, namespace, hosts=f"store.{self.namespace}.svc", **keys)


def start_store(kubectl: Kubectl, namespace: str) -> Store:
    """Start the S3 server in the namespace and wait until it is ready; the bucket is made at the first upload."""
    found = kubectl.get("secret", "store-root", namespace)
    if found is None:
        store = Store(namespace, f"nereid{secrets.token_hex(4)}", secrets.token_hex(16))
        kubectl.apply(*_objects(store))
    else:
        text = kubectl.run(
            "get",
            "secret",
            "store-root",
            "-n",
            namespace,
            "-o",
            "go-template={{range .data}}{{base64decode .}} {{end}}",
        )
        store = Store(namespace, *text.split())
    kubectl.run("rollout", "status", "deployment/store", "-n", namespace, "--timeout=60s")
    return store


def upload(kubectl: Kubectl, store: Store, name: str, folder: Path) -> str:
    """Upload a model's folder under its name and return the s3:// URI."""
    with kubectl.port_forward("service/store", store.namespace, PORT) as local:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{local[PORT]}",
            region_name="us-east-1",
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
        )
        if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            client.upload_file(str(path), BUCKET, f"{name}/{path.relative_to(folder).as_posix()}")
    return f"s3://{BUCKET}/{name}"


def _objects(store: Store) -> list[Object]:
    labels = {"app.kubernetes.io/name": "store"}
    meta = {"name": "store", "namespace": store.namespace, "labels": labels}
    keys = {"ROOT_ACCESS_KEY": "accessKeyId", "ROOT_SECRET_KEY": "secretAccessKey"}
    container = {
        "name": "versitygw",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--port", f":{PORT}", "posix", "/data"],
        "env": [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": "store-root", "key": key}}}
            for name, key in keys.items()
        ],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "store-root", "namespace": store.namespace},
            "stringData": {"accessKeyId": store.access_key, "secretAccessKey": store.secret_key},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"name": "s3", "port": PORT}]},
        },
    ]
