"""The intermediate representation: everything that is to be, with all defaults resolved and no Kubernetes types.

Comes from plan/planner.py; goes to render/, which adds form and decides nothing. None means absent, never "default".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nereid_operator.observe import Meanwhile

ANYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Owner:
    """The ModelDeployment that owns every object of the plan."""

    name: str
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class Image:
    """The model-runtime image and when to pull it."""

    name: str
    pull_policy: str


@dataclass(frozen=True, slots=True)
class CaBundle:
    """The ConfigMap of the model's namespace, and its key, that hold the certificates to trust."""

    config_map: str
    key: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """Through which proxies a source is reached, and which hosts are reached without."""

    http: str | None
    https: str | None
    no_proxy: str | None


@dataclass(frozen=True, slots=True)
class Network:
    """Who may reach the pods of a model, and what they may reach.

    `clients` are peers in the words of NetworkPolicy, as the platform wrote them; they reach the ports that serve.
    `egress_cidrs` are networks; link-local addresses inside them stay closed, unless a network is itself link-local.
    """

    operator_namespace: str
    clients: tuple[Mapping[str, Any], ...]
    egress_cidrs: tuple[str, ...] = ANYWHERE


@dataclass(frozen=True, slots=True)
class Egress:
    """Where a model may be fetched from, besides what `model_runtime` allows without a word.

    `hosts` holds a list of every policy that has one, and a host must be on each; none of them is every host. `cidrs`
    are the networks that all policies have in common, None where no policy says anything. `proxies` are the URLs of
    those that the platform itself has chosen.
    """

    hosts: tuple[tuple[str, ...], ...]
    cidrs: tuple[str, ...] | None
    proxies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    """What settings and policies say of the pods of every model.

    Without a network there are no rules for it; without egress there is nothing to say of it. `vllm_image` is Triton
    with its vLLM backend, empty where the platform has none.
    """

    image: Image
    proxy: Proxy | None = None
    ca_bundle: CaBundle | None = None
    image_pull_secrets: tuple[str, ...] = ()
    network: Network | None = None
    egress: Egress | None = None
    vllm_image: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What has to be there before any pod of a model, that of the resolve Job included; None as in Platform."""

    owner: Owner
    network: Network | None
    egress: Egress | None


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The source arguments of docs/architecture.md; `claim` is the PersistentVolumeClaim of a pvc:// URI."""

    uri: str
    revision: str | None
    digest: str | None
    endpoint: str | None
    region: str | None
    credentials_secret: str | None
    ca_bundle: CaBundle | None
    claim: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that a pod puts up with."""

    key: str | None
    operator: str
    value: str | None
    effect: str | None
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Placement:
    """What decides where a pod may run and whether its images can be had; affinities are in Kubernetes' own words."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    runtime_class: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    node_affinity: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PodOverlay:
    """What the spec adds to the pods of replicas."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    priority_class: str | None
    environment: Mapping[str, str]
    placement: Placement
    pod_affinity: Mapping[str, Any] | None = None
    pod_anti_affinity: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ResolveJob:
    """One resolve Job; `attempt` counts from 1.

    The input hash says which part of the spec its answer is for, the refresh hash for which value of the annotation,
    the egress hash where policies let it look; the last two are empty where nothing is said. `meanwhile` is what goes
    on serving until the answer is there; None for nothing.
    """

    owner: Owner
    name: str
    input_hash: str
    refresh_hash: str
    egress_hash: str
    source: ModelSource
    task: str
    image: Image
    retries: int
    deadline_seconds: int
    attempt: int
    placement: Placement | None
    proxy: Proxy | None
    meanwhile: Meanwhile | None


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """Quantities by resource name."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Devices of the node that one replica gets, by the name under which its device plugin offers them."""

    resource_name: str
    count: int


@dataclass(frozen=True, slots=True)
class Batching:
    """Triton's dynamic batcher and its queue; without a timeout a request waits as long as it takes."""

    max_batch_size: int
    max_queue_delay_microseconds: int
    max_queue_size: int
    queue_timeout_microseconds: int | None


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a replica may take to load (`startup_seconds`) and to end its streams (`drain_seconds`)."""

    startup_seconds: int
    drain_seconds: int


@dataclass(frozen=True, slots=True)
class ModelCache:
    """The claim on which replicas share models; `limit_bytes` is None for a part of its volume."""

    claim: str
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Vllm:
    """Triton with its vLLM backend, by its image, and the arguments of the engine in vLLM's words."""

    image: str
    arguments: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes the pods of one revision what they are; the revision's hash is taken over this.

    `accelerator` is None for a model that runs on the CPU, `vllm` for one of our own engine, whose `dtype` is None
    where the device decides. `response_cache_bytes` is None where no answer is kept.
    """

    source: ModelSource
    task: str
    served_name: str
    batching: Batching
    prepare: ContainerResources
    triton: ContainerResources
    frontend: ContainerResources
    timing: Timing
    image_name: str
    pod: PodOverlay | None
    proxy: Proxy | None
    accelerator: Accelerator | None
    cache: ModelCache | None
    dtype: str | None
    response_cache_bytes: int | None
    vllm: Vllm | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: a workload under the name that its hash gives it.

    What follows from the workload and the digest is no part of the hash: `storage`, the disk that `prepare` fills;
    `shared_memory`, the size of /dev/shm; `triton`, the resources of that container with /dev/shm counted;
    `kv_cache_bytes`, what of them the cache of our engine may have, None where the engine decides; `alias`, by which
    the model is known besides its served name.
    """

    owner: Owner
    name: str
    hash: str
    workload: Workload
    image_pull_policy: str
    storage: str
    shared_memory: str
    triton: ContainerResources
    kv_cache_bytes: int | None
    alias: str | None


@dataclass(frozen=True, slots=True)
class ReplicaTarget:
    """How many pods the Deployment of a revision shall have."""

    deployment: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """Which revision is wanted, which one gets the requests, and what becomes of each Deployment."""

    current: str
    stable: str
    targets: tuple[ReplicaTarget, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be for one ModelDeployment whose model is resolved.

    `max_unavailable` is how many serving pods may be evicted at once; None where a budget would only block a drain.
    """

    owner: Owner
    surroundings: Surroundings
    revision: Revision
    replicas: int
    rollout: Rollout
    max_unavailable: int | None


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What goes on for the revision that serves, while there is no plan for the newest spec."""

    owner: Owner
    rollout: Rollout
    max_unavailable: int | None
