"""Status of a ModelDeployment: the types behind its schema. The resolved facts and failed attempts are also memory.

Comes in: what the resolve Job reported, or an earlier status. Goes out: `ResolvedModel`, and the schema for the CRD.
"""

from typing import Annotated, Any

from pydantic import Field, ValidationError

from nereid_operator.api.api_type import ApiType
from nereid_operator.api.model_deployment import Task
from nereid_operator.api.resources import Body

# Bounds keep a report that is out of its mind from becoming a memory request.
Bytes = Annotated[int, Field(ge=0, le=2**53, json_schema_extra={"format": "int64"})]
Tokens = Annotated[int, Field(ge=0, le=2**30, json_schema_extra={"format": "int64"})]
Text = Annotated[str, Field(max_length=1024)]


class ResolvedModel(ApiType):
    """What the model is, exactly; replicas get revision and digest, so that all pods run the same bytes."""

    input_hash: str = Field(
        max_length=64,
        description="Hash over the part of spec.model that was resolved; another value means: resolve again.",
    )
    refresh_hash: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Hash over the value of the annotation nereid.dev/refresh that was answered."
    )
    revision: str = Field(max_length=256, description="The pinned revision.")
    digest: str = Field(
        pattern=r"^sha256:[0-9a-f]{64}$", max_length=71, description="SHA-256 of the manifest of the model's files."
    )
    size_bytes: int = Field(
        alias="bytes", ge=0, description="Bytes of all files.", json_schema_extra={"format": "int64"}
    )
    files: int = Field(default=0, ge=0, description="Number of files.")
    task: Task = Field(description="What the model does.")
    architecture: str = Field(default="", max_length=256, description="The architecture that config.json names.")
    dtype: str = Field(default="", max_length=64, description="Data type of most of the weights.")

    weights_bytes: Bytes | None = Field(default=None, description="Bytes of the weights in memory, in float32.")
    kv_bytes_per_token: Bytes | None = Field(
        default=None, description="Bytes of the KV cache of one token, in float32; only of decoders."
    )
    context_length: Tokens | None = Field(default=None, description="Longest context in tokens; only of decoders.")

    def as_body(self) -> dict[str, Any]:
        """Return the facts with the API's field names, those that are known."""
        return self.model_dump(by_alias=True, mode="json", exclude_none=True)


class ResolveAttempts(ApiType):
    """How often the resolve Job of one question has failed; it sets how long the next one waits."""

    job_name: str = Field(max_length=63, description="The Job; its name says what is asked.")
    failed: int = Field(ge=0, description="Jobs of that name that failed.", json_schema_extra={"format": "int64"})

    def as_body(self) -> dict[str, Any]:
        """Return it with the API's field names."""
        return self.model_dump(by_alias=True, mode="json")


class ModelStatus(ResolvedModel):
    """The facts, and what follows from them."""

    memory: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Memory of its node that one replica is given."
    )


class StatusCondition(ApiType):
    """metav1.Condition."""

    type: str = Field(max_length=64, description="Accepted, Resolved, Available, Progressing, Degraded or Ready.")
    status: str = Field(max_length=16, description="True, False or Unknown.")
    reason: str = Field(max_length=256, description="One word in CamelCase.")
    message: str = Field(max_length=32768, description="One sentence for people.")
    observed_generation: int = Field(
        default=0,
        description="metadata.generation that the condition speaks of.",
        json_schema_extra={"format": "int64"},
    )
    last_transition_time: str = Field(
        max_length=64, description="When status last changed.", json_schema_extra={"format": "date-time"}
    )


class Revisions(ApiType):
    """Which revisions there are."""

    current: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Revision of the current spec."
    )
    stable: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Revision that requests go to."
    )
    pending: int | None = Field(default=None, description="Replicas of the current revision that have not begun.")
    fetching: int | None = Field(default=None, description="Those that fetch and verify the weights.")
    loading: int | None = Field(default=None, description="Those that load the model.")
    ready: int | None = Field(default=None, description="Those that answer.")


class ReplicaState(ApiType):
    """One pod that serves, or is on its way to."""

    name: str = Field(max_length=253, description="The pod.")
    revision: str = Field(max_length=64, description="Its revision.")
    phase: str = Field(max_length=16, description="Failed, Pending, Fetching, Loading, Terminating or Ready.")
    reason: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="Why it is not ready.")
    message: Text | None = Field(default=None, description="The same in one sentence, with its progress.")
    restarts: int | None = Field(default=None, description="How often its containers were started again.")
    last_crash: Text | None = Field(default=None, description="How the last run of a container ended that failed.")


class Status(ApiType):
    """What is."""

    observed_generation: int = Field(
        default=0, description="metadata.generation that status speaks of.", json_schema_extra={"format": "int64"}
    )
    conditions: Annotated[list[StatusCondition], Field(max_length=16)] = Field(
        default_factory=list,
        description="Accepted, Resolved, Available, Progressing, Degraded (where there is a gateway) and Ready.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    url: Text | None = Field(
        default=None, description="Where the model answers inside the cluster: the gateway, or its Service."
    )
    names: Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=4)] | None = Field(
        default=None, description="What the gateway knows the model by, as requests name it; absent without a gateway."
    )
    model: ModelStatus | None = Field(default=None, description="What the model is, exactly.")
    resolve_attempts: ResolveAttempts | None = Field(
        default=None, description="How often it was asked in vain what the model is; absent when it is known."
    )
    replicas: int = Field(default=0, description="Pods of the current revision.")
    ready_replicas: int = Field(default=0, description="Pods of the current revision that answer.")
    selector: Text | None = Field(default=None, description="Label selector of the pods counted in replicas.")
    revisions: Revisions | None = Field(default=None, description="Which revisions there are.")
    replica_states: Annotated[list[ReplicaState], Field(max_length=50)] | None = Field(
        default=None, description="The pods of all revisions, the worst first, at most 50."
    )


def status_schema() -> dict[str, Any]:
    """Return pydantic's own JSON schema of the status; api/schema.py makes it structural."""
    return Status.model_json_schema(by_alias=True)


def failed_attempts(status: Body, job_name: str) -> int:
    """Return how many Jobs of a name status remembers to have failed."""
    try:
        recorded = ResolveAttempts.model_validate(status.get("resolveAttempts"))
    except ValidationError:
        return 0
    return recorded.failed if recorded.job_name == job_name else 0


def recorded_model(status: Body) -> ResolvedModel | None:
    """Return the resolved facts that status remembers; None when it has none that can be read."""
    try:
        return ResolvedModel.model_validate(status.get("model"))
    except ValidationError:
        return None


def recorded_stable(status: Body) -> str:
    """Return the revision that requests went to when status was written; empty when it names none."""
    return str(status.get("revisions", {}).get("stable", ""))
