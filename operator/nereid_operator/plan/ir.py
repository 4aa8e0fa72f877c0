"""The intermediate representation: everything that is to be, with all defaults resolved and no Kubernetes types.

Comes from plan/planner.py; goes to render/, which adds form and decides nothing. None means absent, never "default".
"""

from collections.abc import Mapping
from dataclasses import dataclass


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
class ModelSource:
    """The source arguments of docs/architecture.md."""

    uri: str
    revision: str | None
    digest: str | None
    endpoint: str | None
    region: str | None
    credentials_secret: str | None


@dataclass(frozen=True, slots=True)
class ResolveJob:
    """One resolve Job; the input hash says which part of the spec its answer is for, `attempt` counts from 1."""

    owner: Owner
    name: str
    input_hash: str
    source: ModelSource
    task: str
    image: Image
    retries: int
    deadline_seconds: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """Quantities by resource name."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Batching:
    """Triton's dynamic batcher."""

    max_batch_size: int
    max_queue_delay_microseconds: int


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a replica may take to load (`startup_seconds`) and to end its streams (`drain_seconds`)."""

    startup_seconds: int
    drain_seconds: int


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes the pods of one revision what they are; the revision's hash is taken over this."""

    source: ModelSource
    task: str
    served_name: str
    batching: Batching
    prepare: ContainerResources
    triton: ContainerResources
    frontend: ContainerResources
    timing: Timing
    image_name: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: a workload under the name that its hash gives it."""

    owner: Owner
    name: str
    hash: str
    workload: Workload
    image_pull_policy: str


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
    """Everything that is to be for one ModelDeployment whose model is resolved."""

    owner: Owner
    revision: Revision
    replicas: int
    rollout: Rollout
