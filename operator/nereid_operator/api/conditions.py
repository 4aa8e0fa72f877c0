"""Conditions of a ModelDeployment: types, reasons, and how a new reading is merged with what status says.

Pure. The reasons are part of the API: each stands here once with its meaning. Failure reasons of the resolve Job and of
`prepare` (SourceNotFound, DigestMismatch, …; docs/architecture.md) pass through unchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

MESSAGE_LIMIT = 1024


class ConditionType(StrEnum):
    """What each condition answers."""

    ACCEPTED = "Accepted"  # is the spec one that can be acted upon?
    RESOLVED = "Resolved"  # is it known exactly what the model is?
    AVAILABLE = "Available"  # does any revision answer now?
    PROGRESSING = "Progressing"  # is the operator on its way to the current spec?
    DEGRADED = "Degraded"  # do clients reach it in another way than its spec says? Only where there is a gateway
    READY = "Ready"  # is the current spec serving with all its replicas?


class ConditionStatus(StrEnum):
    """Kubernetes' three values."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Reasons that the operator itself gives."""

    ACCEPTED = "Accepted"  # the spec is valid
    INVALID_SPEC = "InvalidSpec"  # the spec has errors that only the operator can see; the message lists them
    POLICY_VIOLATION = "PolicyViolation"  # a ServingPolicy forbids the spec; the message names policy and field
    POLICY_INVALID = "PolicyInvalid"  # a ServingPolicy that may concern the model cannot be read; nothing new begins
    RESOLVING = "Resolving"  # the resolve Job is at work
    RESOLVED = "Resolved"  # revision, digest and size are in status.model
    REFRESHING = "Refreshing"  # what was resolved is in force; a resolve Job reads what the model is now
    REFRESH_FAILED = "RefreshFailed"  # what was resolved is in force; what the model is now could not be read
    RESOLVE_FAILED = "ResolveFailed"  # the resolve Job ended without saying why
    SERVING = "Serving"  # at least one replica answers
    NO_REPLICAS_READY = "NoReplicasReady"  # no replica answers
    RUNTIME_MISMATCH = "RuntimeMismatch"  # spec.runtime asks for what a model of this task does not have
    MEMORY_TOO_SMALL = "MemoryTooSmall"  # the memory limit of spec.runtime does not hold one full context
    ENGINE_IMAGE_MISSING = "EngineImageMissing"  # the platform has no image with the engine of spec.runtime
    SCALED_TO_ZERO = "ScaledToZero"  # spec.replicas is 0
    ROLLING_OUT = "RollingOut"  # replicas of the current revision are starting
    ROLLED_OUT = "RolledOut"  # the current revision has all its replicas
    READY = "Ready"  # the current spec is serving
    NOT_ROUTABLE = "NotRoutable"  # the replicas are ready; the gateways have not all been told, or none is connected
    GATEWAY_REJECTED = "GatewayRejected"  # a gateway refuses what the spec makes of it; the message has its words
    NAME_TAKEN = "NameTaken"  # an older model has the served name in the gateway
    AS_SPECIFIED = "AsSpecified"  # clients reach the model by its name, in the way that its spec says
    CREDENTIALS_REFUSED = "CredentialsRefused"  # the Secret has another type; the image's commands say so of its hosts
    NAME_CONFLICT = "NameConflict"  # an object of the needed name exists and belongs to somebody else
    APPLY_REFUSED = "ApplyRefused"  # the API server refused an object, for another reason than quota or admission
    UNSCHEDULABLE = "Unschedulable"  # the scheduler finds no node; the message has what is needed and why none has it
    CLAIM_MISSING = "ClaimMissing"  # a PersistentVolumeClaim that the pods mount is not there, or going
    CLAIM_NOT_BOUND = "ClaimNotBound"  # one that they mount has no volume yet
    IMAGE_PULL_FAILED = "ImagePullFailed"  # an image cannot be had
    POD_CREATION_FAILED = "PodCreationFailed"  # pods cannot be created, for another reason than the next six
    QUOTA_EXCEEDED = "QuotaExceeded"  # a ResourceQuota has no room left, or wants a request that is not there
    LIMIT_RANGE_VIOLATION = "LimitRangeViolation"  # a LimitRange does not allow what the pods ask for
    POD_SECURITY_VIOLATION = "PodSecurityViolation"  # the Pod Security level of the namespace refuses the pods
    ADMISSION_REFUSED = "AdmissionRefused"  # a webhook or an admission policy refuses them
    PRIORITY_CLASS_MISSING = "PriorityClassMissing"  # spec.pod.priorityClassName names none that is there
    RUNTIME_CLASS_MISSING = "RuntimeClassMissing"  # spec.pod.runtimeClassName names none that is there
    EVICTED = "Evicted"  # the node ended a pod for want of memory, disk or the like; the message has kubelet's words
    POD_FAILED = "PodFailed"  # a pod failed as a whole in another way: preempted, not admitted by its node
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"  # kubelet cannot make a container of what the pod says
    OUT_OF_MEMORY = "OutOfMemory"  # a container was killed for memory; the message has its limit
    CONTAINER_CRASHED = "ContainerCrashed"  # a container ended; the message has its last words
    DOWNLOADING = "Downloading"  # `prepare` is fetching and verifying the weights
    LOADING = "Loading"  # Triton is loading the model
    STARTING = "Starting"  # pods are being created or their containers started


# Reasons that the commands of the model-runtime image give, passed through unchanged (docs/architecture.md).
RUNTIME_REASONS = frozenset(
    {
        "SourceNotFound",
        "SourceUnauthorized",
        "SourceUnreachable",
        "SourceTimeout",
        "SourceTooSlow",
        "SourceTruncated",
        "ConnectionCut",
        "EgressRefused",
        "CredentialsMissing",
        "CredentialsRefused",
        "CaBundleMissing",
        "DigestMissing",
        "DigestMismatch",
        "UnsafeFile",
        "RemoteCode",
        "PickledWeights",
        "PackedFile",
        "UnsafePath",
        "UnsafeTokenizer",
        "UnsafeTemplate",
        "UnsupportedArchitecture",
        "InvalidModel",
        "InvalidHeader",
        "InvalidTensors",
        "InvalidConfig",
        "InsufficientDisk",
        "InvalidArgument",
        "DeviceMissing",
        "EngineDied",
    }
)
EGRESS_REFUSED = "EgressRefused"
# Those of what the namespace of the model lacks, or its policies do not allow: no source was asked.
NAMESPACE_REASONS = frozenset({"CredentialsMissing", "CredentialsRefused", "CaBundleMissing", EGRESS_REFUSED})
_KNOWN_REASONS = RUNTIME_REASONS | frozenset(Reason)


def bounded_reason(reason: str) -> str:
    """Return a reason as a label of metrics: what a pod made up is Other, so that no pod can make new series."""
    return str(reason) if reason in _KNOWN_REASONS or not reason else "Other"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it stands in status; `last_transition_time` is empty until merged."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int = 0
    last_transition_time: str = ""

    def as_body(self) -> dict[str, Any]:
        """Return the condition with Kubernetes' field names."""
        return {
            "type": str(self.type),
            "status": str(self.status),
            "reason": str(self.reason),
            "message": self.message,
            "observedGeneration": self.observed_generation,
            "lastTransitionTime": self.last_transition_time,
        }


def timestamp(now: datetime) -> str:
    """Return a time as metav1.Time writes it: UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed_timestamp(text: str) -> datetime:
    """Return the time that `timestamp` wrote."""
    return datetime.fromisoformat(text)


def merge(
    new: Iterable[Condition], previous: Iterable[Mapping[str, Any]], *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Stamp conditions with the generation they speak of and the time their status last changed.

    The time is kept while the status is the same, whatever reason and message do (metav1.Condition).
    """
    old = {str(body.get("type")): body for body in previous}
    return tuple(_stamp(condition, old.get(condition.type, {}), generation=generation, now=now) for condition in new)


def _stamp(condition: Condition, old: Mapping[str, Any], *, generation: int, now: datetime) -> Condition:
    unchanged = old.get("status") == condition.status and old.get("lastTransitionTime")
    return replace(
        condition,
        message=condition.message[:MESSAGE_LIMIT],
        observed_generation=generation,
        last_transition_time=str(old["lastTransitionTime"]) if unchanged else timestamp(now),
    )
