"""Manifests at `kubectl apply`, judged by the real API server: what is wrong is said with the field's name."""

import copy
import json
from typing import Any

import pytest

from tests.stack.kubectl import KubectlError

pytestmark = pytest.mark.e2e

HUB = "hf://sentence-transformers/all-MiniLM-L6-v2"
NODES = "spec.pod.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
LONG = "x" * 2000

# What a person got wrong → the path in the manifest, the value there, and what the API server must say.
BAD: dict[str, tuple[str, Any, str]] = {
    "no spec": ("spec", None, "spec: Required value"),
    "no model": ("spec.model", None, "spec.model: Required value"),
    "no uri": ("spec.model.uri", None, "spec.model.uri: Required value"),
    "an empty uri": ("spec.model.uri", "", "spec.model.uri must be hf://"),
    "a uri without a scheme": ("spec.model.uri", "minilm", "spec.model.uri must be hf://"),
    "ftp": ("spec.model.uri", "ftp://host/model", "spec.model.uri must be hf://"),
    "plain http": ("spec.model.uri", "http://host/model", "spec.model.uri must be hf://"),
    "a hub name without an organization": ("spec.model.uri", "hf://minilm", "spec.model.uri must be hf://"),
    "a hub name with a branch": ("spec.model.uri", "hf://org/name/tree/main", "spec.model.uri must be hf://"),
    "a password in the uri": ("spec.model.uri", "https://me:secret@host/model", "spec.model.uri must be hf://"),
    "a query in the uri": ("spec.model.uri", "https://host/model?token=x", "spec.model.uri must be hf://"),
    "a space in the uri": ("spec.model.uri", "s3://bucket/my model", "spec.model.uri must be hf://"),
    "a bucket in capitals": ("spec.model.uri", "s3://Bucket/model", "spec.model.uri must be hf://"),
    "a uri that goes on for ever": ("spec.model.uri", f"https://host/{LONG}", "spec.model.uri: Too long"),
    "a uri that is a number": ("spec.model.uri", 7, "spec.model.uri"),
    "a revision with a space": ("spec.model.revision", "my branch", "spec.model.revision"),
    "an endless revision": ("spec.model.revision", LONG, "spec.model.revision: Too long"),
    "a digest without its algorithm": ("spec.model.digest", "0" * 64, "spec.model.digest"),
    "a digest cut short": ("spec.model.digest", "sha256:abc", "spec.model.digest"),
    "a digest in capitals": ("spec.model.digest", "sha256:" + "A" * 64, "spec.model.digest"),
    "an endpoint without a scheme": ("spec.model.source.endpoint", "minio:9000", "spec.model.source.endpoint"),
    "an endpoint with a password": ("spec.model.source.endpoint", "http://a:b@minio", "spec.model.source.endpoint"),
    "a region for a hub": ("spec.model.source.region", "eu-west-1", "spec.model.source.region is only for s3://"),
    "a region in capitals": ("spec.model.source.region", "EU West", "spec.model.source.region"),
    "an unknown field of the source": ("spec.model.source.proxy", "x", 'unknown field "spec.model.source.proxy"'),
    "a bundle without a ConfigMap": (
        "spec.model.source.caBundle",
        {"key": "ca.crt"},
        "spec.model.source.caBundle.configMapName: Required value",
    ),
    "a bundle by a wrong name": (
        "spec.model.source.caBundle",
        {"configMapName": "Roots"},
        "spec.model.source.caBundle.configMapName",
    ),
    "a bundle's key with a slash": (
        "spec.model.source.caBundle",
        {"configMapName": "roots", "key": "etc/ca.crt"},
        "spec.model.source.caBundle.key",
    ),
    "certificates in the manifest": (
        "spec.model.source.caBundle",
        {"configMapName": "roots", "pem": "-----BEGIN"},
        'unknown field "spec.model.source.caBundle.pem"',
    ),
    "credentials without a name": ("spec.model.credentials", {}, "spec.model.credentials.secretName: Required value"),
    "credentials by a wrong name": ("spec.model.credentials.secretName", "My_Key", "spec.model.credentials.secretName"),
    "a token in the manifest": ("spec.model.credentials.token", "hf_x", 'unknown field "spec.model.credentials.token"'),
    "a task that is none": ("spec.model.task", "Translate", "spec.model.task: Unsupported value"),
    "a task in small letters": ("spec.model.task", "chat", "spec.model.task: Unsupported value"),
    "a served name with a slash": ("spec.model.servedName", "org/name", "spec.model.servedName"),
    "an empty served name": ("spec.model.servedName", "", "spec.model.servedName"),
    "fewer than no replicas": ("spec.replicas", -1, "spec.replicas"),
    "more replicas than allowed": ("spec.replicas", 1001, "spec.replicas"),
    "half a replica": ("spec.replicas", 1.5, "spec.replicas"),
    "replicas as a text": ("spec.replicas", "two", "spec.replicas"),
    "a batch of none": ("spec.runtime.batching.maxBatchSize", 0, "spec.runtime.batching.maxBatchSize"),
    "a batch without end": ("spec.runtime.batching.maxBatchSize", 5000, "spec.runtime.batching.maxBatchSize"),
    "a delay without a unit": ("spec.runtime.batching.maxQueueDelay", "5", "spec.runtime.batching.maxQueueDelay"),
    "a delay in words": ("spec.runtime.batching.maxQueueDelay", "soon", "spec.runtime.batching.maxQueueDelay"),
    "a delay as a number": ("spec.runtime.batching.maxQueueDelay", 5, "spec.runtime.batching.maxQueueDelay"),
    "memory in words": ("spec.runtime.resources.limits", {"memory": "much"}, "spec.runtime.resources.limits.memory"),
    "negative memory": (
        "spec.runtime.resources.requests",
        {"memory": "-1Gi"},
        "spec.runtime.resources.requests.memory",
    ),
    "the CPU and an accelerator": (
        "spec.runtime",
        {"device": "CPU", "accelerator": {"count": 1}},
        "spec.runtime.accelerator must be left out when spec.runtime.device is CPU",
    ),
    "an accelerator without a domain": (
        "spec.runtime.accelerator.resourceName",
        "gpu",
        "spec.runtime.accelerator.resourceName",
    ),
    "an accelerator of Kubernetes' own": (
        "spec.runtime.accelerator.resourceName",
        "kubernetes.io/gpu",
        "spec.runtime.accelerator.resourceName must be that of a device",
    ),
    "no accelerators": ("spec.runtime.accelerator.count", 0, "spec.runtime.accelerator.count"),
    "more accelerators than a node has": ("spec.runtime.accelerator.count", 65, "spec.runtime.accelerator.count"),
    "a device that is none": ("spec.runtime.device", "TPU", "spec.runtime.device: Unsupported value"),
    "accelerators counted in two places": (
        "spec.runtime",
        {"accelerator": {"resourceName": "example.com/gpu"}, "resources": {"limits": {"example.com/gpu": 2}}},
        "spec.runtime.resources must not name the accelerator's resource",
    ),
    "an accelerator among the resources alone": (
        "spec.runtime.resources.requests",
        {"nvidia.com/gpu": 1},
        "spec.runtime.resources must not name the accelerator's resource",
    ),
    "an engine that is none": ("spec.runtime.engine", "TensorRT", "spec.runtime.engine: Unsupported value"),
    "a type that is none": ("spec.runtime.dtype", "Int8", "spec.runtime.dtype: Unsupported value"),
    "vLLM on the CPU": (
        "spec.runtime",
        {"engine": "VLLM", "device": "CPU"},
        "spec.runtime.engine VLLM needs a GPU",
    ),
    "vLLM nowhere in particular": ("spec.runtime.engine", "VLLM", "spec.runtime.engine VLLM needs a GPU"),
    "our engine over several devices": (
        "spec.runtime",
        {"accelerator": {"count": 2}, "parallelism": {"tensor": 2}},
        "spec.runtime.parallelism and spec.runtime.vllm are only for spec.runtime.engine VLLM",
    ),
    "more ways than devices": (
        "spec.runtime",
        {"engine": "VLLM", "accelerator": {"count": 3}, "parallelism": {"tensor": 2, "pipeline": 2}},
        "spec.runtime.parallelism.tensor times pipeline must be at most spec.runtime.accelerator.count",
    ),
    "more ways than the one device": (
        "spec.runtime",
        {"engine": "VLLM", "device": "GPU", "parallelism": {"tensor": 2}},
        "spec.runtime.parallelism.tensor times pipeline must be at most spec.runtime.accelerator.count",
    ),
    "a time in vLLM's queue": (
        "spec.runtime",
        {"engine": "VLLM", "device": "GPU", "batching": {"queueTimeout": "1s"}},
        "must be left out with spec.runtime.engine VLLM",
    ),
    "answers of vLLM that are kept": (
        "spec.runtime",
        {"engine": "VLLM", "device": "GPU", "responseCache": {"size": "1Gi"}},
        "must be left out with spec.runtime.engine VLLM",
    ),
    "a quantization that is stored": (
        "spec.runtime",
        {"engine": "VLLM", "device": "GPU", "vllm": {"quantization": "awq"}},
        "spec.runtime.vllm.quantization: Unsupported value",
    ),
    "a part of a device's memory that is no percentage": (
        "spec.runtime",
        {"engine": "VLLM", "device": "GPU", "vllm": {"gpuMemoryUtilization": "0.9"}},
        "spec.runtime.vllm.gpuMemoryUtilization",
    ),
    "a queue of none": ("spec.runtime.batching.maxQueueSize", 0, "spec.runtime.batching.maxQueueSize"),
    "a time of nothing in the queue": (
        "spec.runtime.batching.queueTimeout",
        "0s",
        "spec.runtime.batching.queueTimeout must be longer than nothing",
    ),
    "a cache of answers without a size": ("spec.runtime.responseCache", {}, "spec.runtime.responseCache.size"),
    "a label of the operator": (
        "spec.pod.labels",
        {"nereid.dev/model": "mine"},
        "spec.pod.labels must not use the prefixes",
    ),
    "a recommended annotation": (
        "spec.pod.annotations",
        {"app.kubernetes.io/name": "mine"},
        "spec.pod.annotations must not use the prefixes",
    ),
    "a label's value with a space": ("spec.pod.labels", {"team": "a b"}, "spec.pod.labels.team"),
    "a toleration of an unknown operator": (
        "spec.pod.tolerations",
        [{"key": "gpu", "operator": "In"}],
        "spec.pod.tolerations[0].operator: Unsupported value",
    ),
    "a value for what only has to exist": (
        "spec.pod.tolerations",
        [{"key": "gpu", "operator": "Exists", "value": "a"}],
        "value must be left out with operator Exists",
    ),
    "seconds for a taint that evicts nobody": (
        "spec.pod.tolerations",
        [{"key": "gpu", "effect": "NoSchedule", "tolerationSeconds": 5}],
        "tolerationSeconds is only for effect NoExecute",
    ),
    "a variable of the operator": (
        "spec.pod.env",
        [{"name": "LD_PRELOAD", "value": "/tmp/x.so"}],
        "name must not start with NEREID_, OMP_, LD_, PYTHON",
    ),
    "a variable twice": ("spec.pod.env", [{"name": "TZ"}, {"name": "TZ"}], "spec.pod.env[1]: Duplicate value"),
    "a pull secret without a name": ("spec.pod.imagePullSecrets", [{}], "spec.pod.imagePullSecrets[0].name"),
    "an affinity that is none of Kubernetes'": (
        "spec.pod.affinity.zoneAffinity",
        {},
        'unknown field "spec.pod.affinity.zoneAffinity"',
    ),
    "an affinity for nodes that are not said": (f"{NODES}.nodeSelectorTerms", [], f"{NODES}.nodeSelectorTerms"),
    "an affinity for a label that exists and has values": (
        f"{NODES}.nodeSelectorTerms",
        [{"matchExpressions": [{"key": "zone", "operator": "Exists", "values": ["a"]}]}],
        "values must be given with In and NotIn",
    ),
    "an affinity for a number in words": (
        f"{NODES}.nodeSelectorTerms",
        [{"matchExpressions": [{"key": "disk", "operator": "Gt", "values": ["large"]}]}],
        "be one whole number with Gt and Lt",
    ),
    "an affinity for a field that nodes do not have": (
        f"{NODES}.nodeSelectorTerms",
        [{"matchFields": [{"key": "spec.podCIDR", "operator": "In", "values": ["a"]}]}],
        "matchFields[0].key: Unsupported value",
    ),
    "an affinity for pods without a topology": (
        "spec.pod.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution",
        [{"labelSelector": {}}],
        "topologyKey: Required value",
    ),
    "an affinity of more than all weight": (
        "spec.pod.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        [{"weight": 101, "podAffinityTerm": {"topologyKey": "zone"}}],
        "weight",
    ),
    "a typing error in the spec": ("spec.replica", 2, 'unknown field "spec.replica"'),
    "a field of another operator": ("spec.predictor", {}, 'unknown field "spec.predictor"'),
    "a name that is too long": ("metadata.name", "m" * 41, "metadata.name"),
    "a name with a dot": ("metadata.name", "mini.lm", "metadata.name"),
    "a name that starts with a digit": ("metadata.name", "7b", "metadata.name"),
}

GOOD: dict[str, tuple[str, Any]] = {
    "nothing but a hub's name": ("spec.model.uri", HUB),
    "a bucket": ("spec.model.uri", "s3://models"),
    "a folder in a bucket": ("spec.model.uri", "s3://my.models-1/a/b/c"),
    "a web folder": ("spec.model.uri", "https://models.example.com:8443/minilm"),
    "a web server's root": ("spec.model.uri", "https://models.example.com"),
    "a branch": ("spec.model.revision", "refs/pr/7"),
    "a commit": ("spec.model.revision", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
    "a digest": ("spec.model.digest", "sha256:" + "0a" * 32),
    "a mirror of the hub": ("spec.model.source.endpoint", "http://mirror.models.svc:8080"),
    "a bundle of certificates": ("spec.model.source.caBundle", {"configMapName": "roots"}),
    "a bundle under another key": ("spec.model.source.caBundle", {"configMapName": "roots", "key": "bundle.pem"}),
    "a secret": ("spec.model.credentials.secretName", "hub-token"),
    "a chat model": ("spec.model.task", "Chat"),
    "an embedding model": ("spec.model.task", "Embedding"),
    "a classifier": ("spec.model.task", "Classification"),
    "tensors": ("spec.model.task", "Tensor"),
    "our engine by its name, in two bytes": ("spec.runtime", {"engine": "Torch", "dtype": "BFloat16"}),
    "vLLM over two times two devices": (
        "spec.runtime",
        {
            "engine": "VLLM",
            "accelerator": {"count": 4},
            "parallelism": {"tensor": 2, "pipeline": 2},
            "vllm": {"maxModelLength": 8192, "quantization": "fp8", "gpuMemoryUtilization": "85%"},
        },
    ),
    "vLLM on one device": ("spec.runtime", {"engine": "VLLM", "device": "GPU", "parallelism": {}, "vllm": {}}),
    "a queue with a bound and a time": ("spec.runtime.batching", {"maxQueueSize": 1, "queueTimeout": "1m30s"}),
    "answers that are kept": ("spec.runtime.responseCache", {"size": "64Mi"}),
    "a GPU": ("spec.runtime.device", "GPU"),
    "four GPUs of another name": ("spec.runtime.accelerator", {"resourceName": "nvidia.com/mig-1g.5gb", "count": 4}),
    "a served name": ("spec.model.servedName", "all-MiniLM_L6.v2"),
    "no replica": ("spec.replicas", 0),
    "many replicas": ("spec.replicas", 1000),
    "memory as a number": ("spec.runtime.resources", {"limits": {"memory": 1073741824}}),
    "usual resources": ("spec.runtime.resources", {"requests": {"cpu": "500m", "memory": "1.5Gi"}}),
    "a large batch": ("spec.runtime.batching.maxBatchSize", 1024),
    "a delay of two units": ("spec.runtime.batching.maxQueueDelay", "1s500ms"),
    "labels and annotations": (
        "spec.pod",
        {"labels": {"team": "search"}, "annotations": {"example.com/note": "any text at all"}},
    ),
    "nodes set apart": (
        "spec.pod",
        {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [
                {"operator": "Exists"},
                {"key": "gpu", "value": "a", "effect": "NoExecute", "tolerationSeconds": 5},
            ],
        },
    ),
    "a private registry": ("spec.pod.imagePullSecrets", [{"name": "registry"}, {"name": "mirror.example.com"}]),
    "an affinity for nodes and pods": (
        "spec.pod.affinity",
        {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]},
                        {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}]},
                    ]
                },
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 5, "preference": {"matchExpressions": [{"key": "d", "operator": "Gt", "values": ["1"]}]}}
                ],
            },
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "zone", "labelSelector": {}, "namespaceSelector": {}, "namespaces": ["team"]}
                ]
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}},
                    }
                ]
            },
        },
    ),
    "variables": ("spec.pod.env", [{"name": "TZ", "value": "UTC"}, {"name": "EMPTY"}]),
    "the longest name": ("metadata.name", "m" * 40),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_manifest_is_refused_by_the_name_of_its_field(case, dry_run):
    path, value, said = BAD[case]
    with pytest.raises(KubectlError) as refusal:
        dry_run(changed(path, value))
    assert said in str(refusal.value)


@pytest.mark.parametrize("case", GOOD)
def test_a_good_manifest_is_accepted(case, dry_run):
    assert dry_run(changed(*GOOD[case]))


@pytest.fixture
def dry_run(nereid, kubectl, namespace):
    """Apply a manifest by the API server's dry run; return what it would store."""

    def apply(manifest: dict[str, Any]) -> str:
        text = json.dumps(manifest)
        return kubectl.run("apply", "--dry-run=server", "-n", namespace, "-o", "json", "-f", "-", stdin=text)

    return apply


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the smallest manifest with one field set, or taken away by None."""
    manifest = copy.deepcopy(
        {
            "apiVersion": "nereid.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "table"},
            "spec": {"model": {"uri": HUB}},
        }
    )
    *parents, last = path.split(".")
    place: dict[str, Any] = manifest
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return manifest
