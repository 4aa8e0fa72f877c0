"""spec.pod: what is added to the pods of a model, with Kubernetes' own names and meanings.

Rules that stand beside a type are CEL for the API server; api/pod_rules.py says the same for what was written past it.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from nereid_operator.api.affinity import Affinity
from nereid_operator.api.api_type import DNS_NAME_MAX_LENGTH, DNS_NAME_PATTERN, ApiType
from nereid_operator.api.label_selector import KEY_MAX_LENGTH, LabelValue

RESERVED_PREFIXES = ("nereid.dev/", "app.kubernetes.io/")
# By the last of them `prepare` knows the API server, which it may not fetch from.
RESERVED_VARIABLES = ("NEREID_", "OMP_", "LD_", "PYTHON", "KUBERNETES_SERVICE_")

DnsName = Annotated[str, Field(pattern=DNS_NAME_PATTERN, max_length=DNS_NAME_MAX_LENGTH)]


def _rule(rule: str, message: str) -> JsonDict:
    return {"rule": rule, "message": message}


def _starts_with(variable: str, prefixes: tuple[str, ...]) -> str:
    return " || ".join(f"{variable}.startsWith('{prefix}')" for prefix in prefixes)


def _not_reserved(field: str) -> JsonDict:
    message = f"{field} must not use the prefixes {' and '.join(RESERVED_PREFIXES)}, which the operator writes"
    return {"x-kubernetes-validations": [_rule(f"self.all(key, !({_starts_with('key', RESERVED_PREFIXES)}))", message)]}


MAP_BY_NAME: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


class TolerationOperator(StrEnum):
    """How a toleration compares a taint."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """What a taint does."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiType):
    """A taint that the pods put up with."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _rule("self.operator != 'Exists' || !has(self.value)", "value must be left out with operator Exists"),
                _rule("self.operator == 'Exists' || has(self.key)", "key may be left out only with operator Exists"),
                _rule(
                    "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                    "tolerationSeconds is only for effect NoExecute",
                ),
            ]
        }
    )

    key: Annotated[str, Field(min_length=1, max_length=KEY_MAX_LENGTH)] | None = Field(
        default=None, description="Key of the taint; left out with operator Exists it means every taint."
    )
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL, description="Equal compares key and value, Exists the key alone."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint; only with operator Equal.")
    effect: TaintEffect | None = Field(default=None, description="Effect of the taint; left out it means every effect.")
    toleration_seconds: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = Field(
        default=None, description="Seconds that a pod stays on a node with a NoExecute taint; left out means for ever."
    )


class PullSecret(ApiType):
    """A Secret in the same namespace with the credentials of an image registry."""

    name: DnsName = Field(description="Name of the Secret.")


class EnvironmentVariable(ApiType):
    """A variable of the containers `prepare` and `triton`."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _rule(
                    f"!({_starts_with('self.name', RESERVED_VARIABLES)})",
                    f"name must not start with {', '.join(RESERVED_VARIABLES)}: these are set by the operator",
                )
            ]
        }
    )

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128, description="Name of the variable.")
    value: Annotated[str, Field(max_length=4096)] = Field(default="", description="Value of the variable.")


class Pod(ApiType):
    """What is added to the pods of the model; resolve Jobs get what decides where a pod may run."""

    labels: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict,
        description="Labels of the pods.",
        json_schema_extra=_not_reserved("spec.pod.labels"),
    )
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] = Field(
        default_factory=dict,
        description="Annotations of the pods.",
        json_schema_extra=_not_reserved("spec.pod.annotations"),
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict, description="Labels that a node must have; also for the resolve Job."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default_factory=tuple, description="Taints that the pods put up with; also for the resolve Job."
    )
    affinity: Affinity = Field(
        default_factory=Affinity, description="Kubernetes' affinity: nodes and pods to be near to or away from."
    )
    priority_class_name: DnsName | None = Field(default=None, description="PriorityClass of the pods.")
    runtime_class_name: DnsName | None = Field(
        default=None, description="RuntimeClass of the pods; also for the resolve Job."
    )
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16)] = Field(
        default_factory=tuple,
        description="Secrets with the credentials of image registries; also for the resolve Job.",
        json_schema_extra=MAP_BY_NAME,
    )
    env: Annotated[tuple[EnvironmentVariable, ...], Field(max_length=64)] = Field(
        default_factory=tuple,
        description="Variables of the containers prepare and triton.",
        json_schema_extra=MAP_BY_NAME,
    )
