"""A reason → what to do next, in one sentence. Pure; the last line of `nereid why`.

The reasons are those of api/conditions.py and, passed through unchanged, those of the model-runtime image.
"""

from nereid_operator.api.conditions import Reason

_SOURCE = "spec.model.source and spec.model.uri"
_ADVICE = {
    Reason.INVALID_SPEC: "Correct the fields that are named and apply the manifest again; what serves is left alone.",
    Reason.POLICY_VIOLATION: "Stay within what the ServingPolicy that is named allows (kubectl get nsp), "
    "or ask the platform's people to widen it; what serves is left alone.",
    Reason.POLICY_INVALID: "Ask the platform's people to correct the ServingPolicy that is named; "
    "what serves is left alone.",
    Reason.RESOLVING: "Wait: the resolve Job ends within ten minutes. Its log: kubectl logs -n {namespace} job/{job}",
    Reason.RESOLVE_FAILED: "Read its log: kubectl logs -n {namespace} job/{job}. Delete the Job to try again.",
    Reason.UNSCHEDULABLE: "Make room, add a node, or ask for less in spec.runtime.resources; "
    "nereid plan -f FILE shows where it would fit.",
    Reason.CLAIM_MISSING: "Create the PersistentVolumeClaim that is named in namespace {namespace}, "
    "or correct spec.model; the pods start by themselves once it is there.",
    Reason.CLAIM_NOT_BOUND: "See why the claim has no volume: kubectl describe pvc -n {namespace}",
    Reason.IMAGE_PULL_FAILED: "Check that the image's name is right and that the nodes may pull it: "
    "image.registry and image.tag of the chart.",
    Reason.POD_CREATION_FAILED: "Raise the quota or relax the policy that refuses the pods, "
    "or ask for less in spec.runtime.resources.",
    Reason.QUOTA_EXCEEDED: "Raise the ResourceQuota that is named, remove something, or ask for less: "
    "spec.replicas, spec.runtime.resources.",
    Reason.LIMIT_RANGE_VIOLATION: "Ask for what the LimitRange of namespace {namespace} allows in "
    "spec.runtime.resources, or change the LimitRange.",
    Reason.POD_SECURITY_VIOLATION: "The pods keep to the level restricted; what is named comes from spec.pod "
    "or from a webhook that changes pods.",
    Reason.ADMISSION_REFUSED: "Ask who runs the webhook or policy that is named; it refuses the pods.",
    Reason.PRIORITY_CLASS_MISSING: "Correct spec.pod.priorityClassName (kubectl get priorityclasses), "
    "or have the class made.",
    Reason.RUNTIME_CLASS_MISSING: "Correct spec.pod.runtimeClassName (kubectl get runtimeclasses), "
    "or have the class made.",
    Reason.EVICTED: "Give the pods what they ran out of: spec.runtime.resources, "
    "or nodes with more of it; another pod takes its place.",
    Reason.POD_FAILED: "Look at its node: kubectl describe pod -n {namespace} {pod}",
    Reason.CONTAINER_CONFIG_ERROR: "Correct what kubelet names: kubectl describe pod -n {namespace} {pod}",
    Reason.OUT_OF_MEMORY: "Raise limits.memory in spec.runtime.resources, or leave the resources out: "
    "they are then estimated from the model.",
    Reason.CONTAINER_CRASHED: "Read its log: kubectl logs -n {namespace} {pod} --all-containers --prefix --tail=20",
    Reason.NAME_CONFLICT: "Rename the model, or delete the object that has the name.",
    Reason.APPLY_REFUSED: "Mend what the API server names: a quota, an admission policy, "
    "or the rights of the operator's ServiceAccount.",
    Reason.RUNTIME_MISMATCH: "Take what is named out of spec.runtime, or serve a model of a task that has it.",
    Reason.MEMORY_TOO_SMALL: "Raise limits.memory in spec.runtime.resources to what is named, "
    "or leave the resources out: they are then estimated from the model.",
    Reason.ENGINE_IMAGE_MISSING: "Ask the platform's people to set images.vllm of the chart, "
    "or leave spec.runtime.engine out.",
    Reason.SCALED_TO_ZERO: "To serve it: kubectl scale -n {namespace} nmd/{name} --replicas=1",
    Reason.DOWNLOADING: "Wait: the weights come from the source at its own pace. "
    "Its log: kubectl logs -n {namespace} {pod} -c prepare",
    Reason.LOADING: "Wait: Triton is reading the model. Its log: kubectl logs -n {namespace} {pod} -c triton",
    Reason.STARTING: "Wait a moment, then ask again.",
    Reason.NOT_ROUTABLE: "Wait a moment; when it stays, see whether the gateway's pods run: "
    "kubectl get pods -A -l app.kubernetes.io/name=nereid-gateway",
    Reason.GATEWAY_REJECTED: "Take back the last change of spec.traffic; the gateway goes on with what it had before.",
    Reason.NAME_TAKEN: "Call it by its full name, {namespace}.{name}, or give it another spec.model.servedName.",
    Reason.ROLLING_OUT: "Wait: the new revision is starting; the old one serves until it is ready.",
    "SourceNotFound": "Correct spec.model.uri or spec.model.revision: nothing is there.",
    "SourceUnauthorized": "Give credentials that may read it: spec.model.credentials.secretName names a Secret "
    "with the keys accessKeyId and secretAccessKey (s3), token (hf, https) or username and password (oci); "
    "the files of a claim (pvc) must be readable for user 65532.",
    "SourceUnreachable": f"Check that the nodes reach the host named in {_SOURCE}: DNS, proxy, NetworkPolicy; "
    "when its certificate is not trusted, name its authority in spec.model.source.caBundle.",
    "SourceTimeout": "The host takes connections and says nothing: look at its log, or at what stands before it.",
    "SourceTooSlow": "The source is too slow for this model: name a mirror that is nearer, or a claim (pvc://).",
    "SourceTruncated": "The source holds less of the file than it lists: publish the file again.",
    "ConnectionCut": "Something between the node and the source cuts connections: a proxy, a gateway or its timeout.",
    "EgressRefused": "Name a source that may be reached, or have a ServingPolicy allow this one: "
    "allowedHosts for the host, allowedCIDRs for a private address.",
    "CredentialsRefused": "Make it a Secret of type nereid.dev/model-credentials whose key hosts names the host: "
    "kubectl create secret generic NAME -n {namespace} --type=nereid.dev/model-credentials "
    "--from-literal=hosts=HOST --from-literal=token=TOKEN",
    "CredentialsMissing": "Create the Secret that is named in namespace {namespace}, with the keys accessKeyId and "
    "secretAccessKey (s3), token (hf, https) or username and password (oci), "
    "or correct spec.model.credentials.secretName.",
    "CaBundleMissing": "Create the ConfigMap that is named in namespace {namespace}, "
    "or correct spec.model.source.caBundle.",
    "DigestMissing": "Put a SHA256SUMS file beside the model's files, so that what arrives can be verified.",
    "DigestMismatch": "The bytes are not those of spec.model.digest: correct the digest, or find out who changed them.",
    "UnsafeFile": "Publish the model as safetensors or GGUF; formats that can run code are never loaded.",
    "RemoteCode": "Choose a model that runs without code of its own; code of a repository is never run.",
    "PickledWeights": "Convert the weights to safetensors: pickle can run code when it is loaded.",
    "PackedFile": "Publish the files as they are, not packed.",
    "UnsafePath": "Publish plain files below the model's folder, without links.",
    "UnsafeTokenizer": "Publish a tokenizer.json without the part that is named.",
    "UnsafeTemplate": "Publish a chat template without the part that is named.",
    "UnsupportedArchitecture": "Choose a model whose architecture is supported; trying again changes nothing.",
    "InvalidModel": "Publish the folder again: a file that makes it a model is missing or broken.",
    "InvalidHeader": "Publish the weights again: the header of the file that is named is broken.",
    "InvalidTensors": "Publish the weights again: the tensor that is named is broken.",
    "InvalidConfig": "Correct the value of config.json that is named.",
    "InsufficientDisk": "Free disk on the node, or use nodes with more ephemeral storage.",
    "InvalidArgument": "Correct the field of spec.model that is named.",
    "EngineDied": "It is started again by itself; if it dies again, what killed it is in the log of the run before: "
    "kubectl logs -n {namespace} {pod} -c triton --previous",
    "DeviceMissing": "Check the device plugin of the node: the accelerator that the pod asked for is not there.",
}
_FALLBACK = "Look closer: kubectl describe nmd -n {namespace} {name}"


def next_step(reason: str, *, name: str, namespace: str, job: str, pod: str) -> str:
    """Return the next step for a reason; `job` and `pod` name what a command should look at, when there is one."""
    advice = _ADVICE.get(reason, _FALLBACK)
    if ("{job}" in advice and not job) or ("{pod}" in advice and not pod):
        advice = _FALLBACK
    return advice.format(name=name, namespace=namespace, job=job, pod=pod)
