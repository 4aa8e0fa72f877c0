"""The custom resource ServingPolicy in pydantic: the platform's limits and defaults for the models of namespaces.

Comes in: the body of an object. Goes out: a frozen `ServingPolicy`, or `BrokenPolicy` for one that was written past
the schema; plan/policy.py judges by either. Every field here works; a field whose feature is not built is not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from nereid_operator.api.api_type import ApiType
from nereid_operator.api.destinations import AllowedCIDR, AllowedHost
from nereid_operator.api.label_selector import LabelSelector, LabelValue
from nereid_operator.api.model_status import StatusCondition
from nereid_operator.api.pod import MAP_BY_NAME, DnsName, PullSecret, Toleration
from nereid_operator.api.runtime import Resources

DEVICE_HELP = "must not name devices, which each model asks for by itself in spec.runtime.accelerator"
_SPEC_WINS = "What the ModelDeployment says itself wins"


class DefaultPod(ApiType):
    """What a spec.pod leaves out."""

    node_selector: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict, description=f"Labels that a node must have. {_SPEC_WINS}, label by label."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default_factory=tuple, description=f"Taints that the pods put up with. {_SPEC_WINS}, as a whole."
    )
    priority_class_name: DnsName | None = Field(default=None, description=f"PriorityClass of the pods. {_SPEC_WINS}.")
    runtime_class_name: DnsName | None = Field(default=None, description=f"RuntimeClass of the pods. {_SPEC_WINS}.")
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16)] = Field(
        default_factory=tuple,
        description=f"Secrets of the model's namespace with credentials of image registries. {_SPEC_WINS}, as a whole.",
        json_schema_extra=MAP_BY_NAME,
    )


class DefaultRuntime(ApiType):
    """What a spec.runtime leaves out."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"!has(self.resources) || !has(self.resources.{side}) || "
                    f"self.resources.{side}.all(key, !key.contains('/'))",
                    "message": f"resources.{side} {DEVICE_HELP}",
                }
                for side in ("requests", "limits")
            ]
        }
    )

    resources: Resources | None = Field(
        default=None,
        description=f"Resources of the container that runs the model, not estimated. {_SPEC_WINS}, as a whole.",
    )


class Defaults(ApiType):
    """What a ModelDeployment gets where its spec says nothing."""

    pod: DefaultPod = Field(default_factory=DefaultPod, description="What a spec.pod leaves out.")
    runtime: DefaultRuntime = Field(default_factory=DefaultRuntime, description="What a spec.runtime leaves out.")


class PolicySpec(ApiType):
    """What is allowed, and what is filled in."""

    namespace_selector: LabelSelector = Field(
        default_factory=LabelSelector,
        description="Labels of the namespaces that the policy holds for; left out or empty it holds for all.",
    )
    max_replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Most replicas of one ModelDeployment. Totals of a namespace are a ResourceQuota's business.",
    )
    max_accelerators: Annotated[int, Field(ge=0, le=65536)] | None = Field(
        default=None,
        description="Most accelerators of one ModelDeployment: those of a replica times replicas. "
        "Totals of a namespace are a ResourceQuota's business.",
    )
    allowed_hosts: Annotated[tuple[AllowedHost, ...], Field(max_length=256)] | None = Field(
        default=None,
        description="Hosts that models may be fetched from, redirects included: a host, or *.example.com for all "
        "below it. Left out it allows every host, empty none.",
    )
    allowed_cidrs: Annotated[tuple[AllowedCIDR, ...], Field(max_length=64)] | None = Field(
        default=None,
        alias="allowedCIDRs",
        description="Networks that models may be fetched from, by the address that is connected to, and that their "
        "pods may reach besides DNS, by their NetworkPolicy. Left out, models are fetched from public addresses alone, "
        "and the NetworkPolicy allows every address; empty, none is allowed. A private address is opened only by a "
        "network that is itself private.",
    )
    global_names: bool | None = Field(
        default=None,
        description="Whether the gateway answers to the served name of a model alone; <namespace>.<name> always works. "
        "One policy must say true and none false. Of two models with one name the older has it.",
    )
    defaults: Defaults = Field(
        default_factory=Defaults, description="What a ModelDeployment gets where its spec says nothing."
    )


class PolicyMetadata(ApiType):
    """The part of ObjectMeta that matters here."""

    name: str


class ServingPolicy(ApiType):
    """One policy, checked."""

    metadata: PolicyMetadata
    spec: PolicySpec

    @property
    def name(self) -> str:
        """Return the name that violations are told by."""
        return self.metadata.name

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether the policy holds for a namespace with these labels."""
        return self.spec.namespace_selector.matches(labels)


@dataclass(frozen=True, slots=True)
class BrokenPolicy:
    """A policy with errors. `selector` is None when even that cannot be read: then it is for every namespace."""

    name: str
    selector: LabelSelector | None
    errors: tuple[str, ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether the policy may have been meant for a namespace with these labels."""
        return self.selector is None or self.selector.matches(labels)


Policy = ServingPolicy | BrokenPolicy


class PolicyCondition(StatusCondition):
    """metav1.Condition of a policy."""

    type: str = Field(max_length=64, description="Accepted.")


class PolicyStatus(ApiType):
    """What the operator makes of the policy."""

    observed_generation: int = Field(
        default=0, description="metadata.generation that status speaks of.", json_schema_extra={"format": "int64"}
    )
    conditions: Annotated[list[PolicyCondition], Field(max_length=16)] = Field(
        default_factory=list,
        description="Accepted.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


def policy_spec_schema() -> dict[str, Any]:
    """Return pydantic's own JSON schema of the spec; api/schema.py makes it structural."""
    return PolicySpec.model_json_schema(by_alias=True)


def policy_status_schema() -> dict[str, Any]:
    """Return pydantic's own JSON schema of the status."""
    return PolicyStatus.model_json_schema(by_alias=True)
