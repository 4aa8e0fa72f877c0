"""What is wrong with a spec is said with field, value and what would be right."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.validation import validate


def _body(name: str = "minilm", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": "u"}
    return {"metadata": metadata, "spec": {"model": {"uri": "hf://org/name"}, **spec}}


def _model(**model: Any) -> dict[str, Any]:
    return _body(model={"uri": "hf://org/name", **model})


def _resources(**resources: Any) -> dict[str, Any]:
    return _body(runtime={"resources": resources})


def _traffic(**traffic: Any) -> dict[str, Any]:
    return _body(traffic=traffic)


def _route(**route: Any) -> dict[str, Any]:
    return _traffic(routes=[{"name": "a", **route}])


VALID = {
    "the smallest manifest": _body(),
    "an S3 bucket behind an endpoint without TLS": _model(uri="s3://models/a", source={"endpoint": "http://s3:9000"}),
    "a bucket without prefix": _model(uri="s3://models"),
    "https": _model(uri="https://models.example.com/a/b"),
    "a registry on a port": _model(uri="oci://registry.example.com:5000/models/minilm", revision="v1.0"),
    "a registry elsewhere": _model(uri="oci://registry.example.com/a", source={"endpoint": "http://mirror:5000"}),
    "a manifest's digest": _model(uri="oci://registry.example.com/a", revision=f"sha256:{'a' * 64}"),
    "a whole volume": _model(uri="pvc://models"),
    "a folder of a volume": _model(uri="pvc://team.models/hub/.cache/a..b"),
    "null for what is left out": _model(revision=None, source=None),
    "a cache": _model(cache={"claimName": "models"}),
    "a cache with a bound": _model(cache={"claimName": "models", "size": "1.5Ti"}),
    "a bound in bytes": _model(cache={"claimName": "models", "size": 2000000000}),
    "fields of a later version": _body(scaling={"mode": "Auto"}),
    "no replicas": _body(replicas=0),
    "a pod with everything": _body(
        pod={
            "labels": {"team": "search", "example.com/empty": ""},
            "annotations": {"example.com/note": "any text, of any form"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"operator": "Exists"}, {"key": "gpu", "value": "a", "effect": "NoSchedule"}],
            "priorityClassName": "serving",
            "runtimeClassName": "gvisor",
            "imagePullSecrets": [{"name": "registry"}],
            "env": [{"name": "TZ", "value": "UTC"}, {"name": "EMPTY"}],
        }
    ),
    "an empty pod": _body(pod={}),
    "a GPU": _body(runtime={"device": "GPU"}),
    "an accelerator of another kind": _body(runtime={"accelerator": {"resourceName": "example.com/gpu", "count": 64}}),
    "the CPU": _body(runtime={"device": "CPU", "resources": {"limits": {"memory": "1Gi"}}}),
    "vLLM on two times two devices": _body(
        runtime={
            "engine": "VLLM",
            "accelerator": {"count": 4},
            "parallelism": {"tensor": 2, "pipeline": 2},
            "vllm": {"maxModelLength": 8192, "quantization": "fp8", "gpuMemoryUtilization": "100%"},
        }
    ),
    "vLLM on one device": _body(runtime={"engine": "VLLM", "device": "GPU", "parallelism": {}}),
    "our engine in two bytes": _body(runtime={"engine": "Torch", "dtype": "BFloat16"}),
    "a queue with a bound and a time": _body(runtime={"batching": {"maxQueueSize": 1, "queueTimeout": "1m30s"}}),
    "answers that are kept": _body(runtime={"responseCache": {"size": "64Mi"}}),
    "a classifier": _model(task="Classification"),
    "tensors": _model(task="Tensor"),
    "whole numbers as quantities": _resources(limits={"cpu": 2}),
    "traffic with everything": _traffic(
        loadBalancing="StickyHeader",
        stickyHeader="x-session-id",
        timeout="1h",
        routes=[
            {"name": "preview", "headers": [{"name": "x-preview", "value": "yes please"}]},
            {"name": "embeddings", "path": "/v1/embeddings", "revision": "Stable"},
        ],
    ),
    "traffic with nothing": _traffic(),
}
INVALID = {
    "sticky by nothing": (_traffic(loadBalancing="StickyHeader"), "spec.traffic.stickyHeader", "must name a header"),
    "a sticky header for another way": (
        _traffic(stickyHeader="x-session-id"),
        "spec.traffic.stickyHeader",
        "'x-session-id' and is only for loadBalancing StickyHeader, not LeastRequest",
    ),
    "a sticky header that the gateway takes away": (
        _traffic(loadBalancing="StickyHeader", stickyHeader="x-nereid-a"),
        "spec.traffic.stickyHeader",
        "'x-nereid-a' and must not begin with x-nereid-",
    ),
    "a sticky header with an underscore": (
        _traffic(loadBalancing="StickyHeader", stickyHeader="x_a"),
        "spec.traffic.stickyHeader",
        "'x_a'",
    ),
    "an unknown way to balance": (_traffic(loadBalancing="Maglev"), "spec.traffic.loadBalancing", "'Maglev'"),
    "no time at all": (_traffic(timeout="0s"), "spec.traffic.timeout", "'0s' and must be at least 1s"),
    "less than a second": (_traffic(timeout="999ms"), "spec.traffic.timeout", "at least 1s"),
    "more than an hour": (_traffic(timeout="1h1s"), "spec.traffic.timeout", "at most 1h"),
    "a time without unit": (_traffic(timeout="60"), "spec.traffic.timeout", "'60'"),
    "a route for nothing": (_route(), "spec.traffic.routes.0", "'a' and needs headers or a path"),
    "a route to a revision by its hash": (_route(path="/a", revision="0a1b2c3d"), "routes.0.revision", "'0a1b2c3d'"),
    "a route by a path with a query": (_route(path="/a?b"), "spec.traffic.routes.0.path", "'/a?b'"),
    "a route by a header in capitals": (
        _route(headers=[{"name": "X-A", "value": "b"}]),
        "spec.traffic.routes.0.headers.0.name",
        "'X-A'",
    ),
    "a route by a header that the gateway takes away": (
        _route(headers=[{"name": "x-nereid-a", "value": "b"}]),
        "spec.traffic.routes.0.headers.0.name",
        "takes away",
    ),
    "a header's value of two lines": (
        _route(headers=[{"name": "x-a", "value": "b\nc"}]),
        "spec.traffic.routes.0.headers.0.value",
        "b\\nc",
    ),
    "a header twice": (
        _route(headers=[{"name": "x-a", "value": "b"}, {"name": "x-a", "value": "c"}]),
        "spec.traffic.routes.0.headers",
        "'x-a' 2 times",
    ),
    "a route twice": (
        _traffic(routes=[{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]),
        "spec.traffic.routes",
        "'a' 2 times",
    ),
    "a cache without a claim": (_model(cache={"size": "1Gi"}), "spec.model.cache.claimName", "required"),
    "a cache whose claim has no name a claim can have": (
        _model(cache={"claimName": "My Models"}),
        "spec.model.cache.claimName",
        "'My Models'",
    ),
    "a bound that is no quantity": (
        _model(cache={"claimName": "m", "size": "much"}),
        "spec.model.cache.size",
        "'much' is no quantity",
    ),
    "a bound of nothing": (_model(cache={"claimName": "m", "size": "500m"}), "spec.model.cache.size", "at least 1Mi"),
    "a label of the operator": (_body(pod={"labels": {"nereid.dev/x": "1"}}), "spec.pod.labels", "nereid.dev/x"),
    "a recommended label": (_body(pod={"labels": {"app.kubernetes.io/name": "x"}}), "spec.pod.labels", "own"),
    "an annotation of the operator": (_body(pod={"annotations": {"nereid.dev/x": ""}}), "spec.pod.annotations", "own"),
    "a label's key with a space": (_body(pod={"labels": {"my team": "a"}}), "spec.pod.labels", "'my team'"),
    "a label's value with a space": (_body(pod={"labels": {"team": "a b"}}), "spec.pod.labels.team", "a b"),
    "a node's label with two slashes": (_body(pod={"nodeSelector": {"a/b/c": "d"}}), "spec.pod.nodeSelector", "a/b/c"),
    "a toleration of an unknown operator": (
        _body(pod={"tolerations": [{"key": "a", "operator": "In"}]}),
        "spec.pod.tolerations.0.operator",
        "'In'",
    ),
    "a value for Exists": (
        _body(pod={"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}),
        "spec.pod.tolerations.0.value",
        "operator Exists",
    ),
    "Equal without a key": (_body(pod={"tolerations": [{"value": "b"}]}), "spec.pod.tolerations.0.key", "Exists"),
    "a taint's key with a space": (
        _body(pod={"tolerations": [{"key": "a b", "operator": "Exists"}]}),
        "spec.pod.tolerations.0.key",
        "nvidia.com/gpu",
    ),
    "seconds for NoSchedule": (
        _body(pod={"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]}),
        "spec.pod.tolerations.0.tolerationSeconds",
        "NoExecute",
    ),
    "a variable of the operator": (_body(pod={"env": [{"name": "OMP_NUM_THREADS"}]}), "spec.pod.env.0.name", "OMP_"),
    "the address of the API server": (
        _body(pod={"env": [{"name": "KUBERNETES_SERVICE_HOST", "value": "203.0.113.1"}]}),
        "spec.pod.env.0.name",
        "KUBERNETES_SERVICE_",
    ),
    "a variable of Python": (_body(pod={"env": [{"name": "PYTHONPATH"}]}), "spec.pod.env.0.name", "PYTHON"),
    "a variable with a dash": (_body(pod={"env": [{"name": "A-B"}]}), "spec.pod.env.0.name", "A-B"),
    "a variable twice": (_body(pod={"env": [{"name": "A"}, {"name": "A"}]}), "spec.pod.env", "2 times"),
    "a pull secret twice": (
        _body(pod={"imagePullSecrets": [{"name": "a"}, {"name": "a"}]}),
        "spec.pod.imagePullSecrets",
        "'a' 2 times",
    ),
    "a pull secret that is no name": (
        _body(pod={"imagePullSecrets": [{"name": "My_Key"}]}),
        "spec.pod.imagePullSecrets.0.name",
        "My_Key",
    ),
    "http is no source": (_model(uri="http://a/b"), "spec.model.uri", "http://a/b"),
    "a user in the URI": (_model(uri="https://me:pw@host/a"), "spec.model.uri", "must be hf://"),
    "a query in the URI": (_model(uri="https://host/a?b=c"), "spec.model.uri", "must be hf://"),
    "a name of 41 characters": (_body(name="a" * 41), "metadata.name", "a" * 41),
    "a name that starts with a digit": (_body(name="1a"), "metadata.name", "1a"),
    "replicas below zero": (_body(replicas=-1), "spec.replicas", "-1"),
    "no model": ({**_body(), "spec": {}}, "spec.model", "required"),
    "a digest of another kind": (_model(digest="md5:0"), "spec.model.digest", "md5:0"),
    "an unknown task": (_model(task="Sing"), "spec.model.task", "Sing"),
    "a batch of none": (_body(runtime={"batching": {"maxBatchSize": 0}}), "spec.runtime.batching.maxBatchSize", "0"),
    "a duration without unit": (_body(runtime={"batching": {"maxQueueDelay": "5"}}), "maxQueueDelay", "'5'"),
    "a region for a hub": (_model(source={"region": "eu"}), "spec.model.source.region", "only s3://"),
    "an endpoint for https": (
        _model(uri="https://host/a", source={"endpoint": "http://x"}),
        "spec.model.source.endpoint",
        "only s3://, hf:// and oci://",
    ),
    "an endpoint for a claim": (
        _model(uri="pvc://claim/a", source={"endpoint": "http://x"}),
        "spec.model.source.endpoint",
        "only s3://, hf:// and oci://",
    ),
    "credentials for a claim": (
        _model(uri="pvc://claim/a", credentials={"secretName": "key"}),
        "spec.model.credentials",
        "a claim is mounted, not asked",
    ),
    "a way out of the claim": (_model(uri="pvc://claim/a/../../b"), "spec.model.uri", "pvc://claim/a/../../b"),
    "a claim that is no name": (_model(uri="pvc://My_Claim/a"), "spec.model.uri", "pvc://<claim>/<folder>"),
    "a tag in the URI": (_model(uri="oci://host/a/b:v1"), "spec.model.uri", "oci://<host>/<repository>"),
    "a digest in the URI": (_model(uri="oci://host/a@sha256:0"), "spec.model.uri", "nothing more"),
    "a registry without a repository": (_model(uri="oci://host"), "spec.model.uri", "oci://<host>/<repository>"),
    "a repository in capitals": (_model(uri="oci://host/Models/A"), "spec.model.uri", "oci://<host>/<repository>"),
    "a quantity that is none": (_resources(limits={"memory": "lots"}), "spec.runtime.resources.limits.memory", "lots"),
    "the CPU and an accelerator": (
        _body(runtime={"device": "CPU", "accelerator": {"count": 2}}),
        "spec.runtime.accelerator",
        "asks for 2 nvidia.com/gpu and must be left out when spec.runtime.device is CPU",
    ),
    "an accelerator without a domain": (
        _body(runtime={"accelerator": {"resourceName": "gpu"}}),
        "spec.runtime.accelerator.resourceName",
        "gpu",
    ),
    "an accelerator of Kubernetes' own": (
        _body(runtime={"accelerator": {"resourceName": "kubernetes.io/gpu"}}),
        "spec.runtime.accelerator.resourceName",
        "must be that of a device",
    ),
    "no accelerators": (_body(runtime={"accelerator": {"count": 0}}), "spec.runtime.accelerator.count", "0"),
    "65 accelerators": (_body(runtime={"accelerator": {"count": 65}}), "spec.runtime.accelerator.count", "65"),
    "a device that is none": (_body(runtime={"device": "TPU"}), "spec.runtime.device", "TPU"),
    "accelerators counted in two places": (
        _body(runtime={"accelerator": {"count": 1}, "resources": {"limits": {"nvidia.com/gpu": 2}}}),
        "spec.runtime.resources.limits.nvidia.com/gpu",
        "how many stands in spec.runtime.accelerator.count",
    ),
    "an accelerator among the resources alone": (
        _resources(requests={"nvidia.com/gpu": 1}),
        "spec.runtime.resources.requests.nvidia.com/gpu",
        "must be left out",
    ),
    "vLLM on the CPU": (
        _body(runtime={"engine": "VLLM", "device": "CPU"}),
        "spec.runtime.engine",
        "needs a GPU: set spec.runtime.device to GPU",
    ),
    "vLLM nowhere in particular": (_body(runtime={"engine": "VLLM"}), "spec.runtime.engine", "needs a GPU"),
    "an engine that is none": (_body(runtime={"engine": "TensorRT"}), "spec.runtime.engine", "TensorRT"),
    "a type that is none": (_body(runtime={"dtype": "Int8"}), "spec.runtime.dtype", "Int8"),
    "our engine over several devices": (
        _body(runtime={"accelerator": {"count": 2}, "parallelism": {"tensor": 2}}),
        "spec.runtime.parallelism",
        "only for spec.runtime.engine VLLM, not Auto",
    ),
    "our engine with words of vLLM": (
        _body(runtime={"engine": "Torch", "vllm": {}}),
        "spec.runtime.vllm",
        "only for spec.runtime.engine VLLM, not Torch",
    ),
    "more ways than devices": (
        _body(runtime={"engine": "VLLM", "accelerator": {"count": 3}, "parallelism": {"tensor": 2, "pipeline": 2}}),
        "spec.runtime.parallelism",
        "asks for 2 x 2 devices, and spec.runtime.accelerator.count is 3",
    ),
    "more ways than the one device": (
        _body(runtime={"engine": "VLLM", "device": "GPU", "parallelism": {"tensor": 2}}),
        "spec.runtime.parallelism",
        "asks for 2 x 1 devices, and spec.runtime.accelerator.count is 1",
    ),
    "answers of vLLM that are kept": (
        _body(runtime={"engine": "VLLM", "device": "GPU", "responseCache": {"size": "1Gi"}}),
        "spec.runtime.responseCache",
        "which has none",
    ),
    "a time in vLLM's queue": (
        _body(runtime={"engine": "VLLM", "device": "GPU", "batching": {"queueTimeout": "1s"}}),
        "spec.runtime.batching.queueTimeout",
        "is 1s and must be left out with VLLM",
    ),
    "a quantization that is stored": (
        _body(runtime={"engine": "VLLM", "device": "GPU", "vllm": {"quantization": "awq"}}),
        "spec.runtime.vllm.quantization",
        "awq",
    ),
    "more than all of a device's memory": (
        _body(runtime={"engine": "VLLM", "device": "GPU", "vllm": {"gpuMemoryUtilization": "101%"}}),
        "spec.runtime.vllm.gpuMemoryUtilization",
        "101%",
    ),
    "a part that is no percentage": (
        _body(runtime={"engine": "VLLM", "device": "GPU", "vllm": {"gpuMemoryUtilization": "0.9"}}),
        "spec.runtime.vllm.gpuMemoryUtilization",
        "0.9",
    ),
    "a queue of none": (_body(runtime={"batching": {"maxQueueSize": 0}}), "spec.runtime.batching.maxQueueSize", "0"),
    "a time of nothing": (
        _body(runtime={"batching": {"queueTimeout": "0s"}}),
        "spec.runtime.batching.queueTimeout",
        "is 0s and must be longer than nothing",
    ),
    "a cache of answers without a size": (
        _body(runtime={"responseCache": {}}),
        "spec.runtime.responseCache.size",
        "required",
    ),
    "a cache of answers that is no quantity": (
        _body(runtime={"responseCache": {"size": "much"}}),
        "spec.runtime.responseCache.size",
        "'much' is no quantity",
    ),
    "a cache of answers for none": (
        _body(runtime={"responseCache": {"size": "1k"}}),
        "spec.runtime.responseCache.size",
        "at least 1Mi",
    ),
    "a request above its limit": (
        _resources(requests={"memory": "2Gi"}, limits={"memory": "1Gi"}),
        "spec.runtime.resources.requests.memory",
        "at most the limit, 1Gi",
    ),
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_accepted(body: dict[str, Any]):
    assert isinstance(validate(body), ModelDeployment)


@pytest.mark.parametrize(("body", "field", "words"), INVALID.values(), ids=INVALID.keys())
def test_refused(body: dict[str, Any], field: str, words: str):
    violations = validate(body)
    assert not isinstance(violations, ModelDeployment)
    assert len(violations) == 1
    assert field in violations[0].field
    assert words in str(violations[0])
