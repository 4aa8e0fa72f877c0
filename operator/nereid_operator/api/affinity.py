"""spec.pod.affinity: Kubernetes' own Affinity, typed to the last field; matchLabelKeys, which is young, is left out.

What Kubernetes would refuse only when the pod is made is refused at `kubectl apply`, by schema and CEL; the same rules
stand beside the types for what was written past it.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from nereid_operator.api.api_type import DNS_NAME_PATTERN, ApiType
from nereid_operator.api.label_selector import (
    KEY_MAX_LENGTH,
    LabelExpression,
    LabelOperator,
    LabelSelector,
    LabelValue,
)

KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
VALUES_RULE = "values must be given with In and NotIn, left out with Exists and DoesNotExist"
NODE_VALUES_RULE = f"{VALUES_RULE}, and be one whole number with Gt and Lt"

Key = Annotated[str, Field(pattern=KEY_PATTERN, max_length=KEY_MAX_LENGTH)]
Weight = Annotated[int, Field(ge=1, le=100, json_schema_extra={"format": "int32"})]


def _rule(rule: str, message: str) -> JsonDict:
    return {"x-kubernetes-validations": [{"rule": rule, "message": message}]}


_HAS_VALUES = "(has(self.values) && self.values.size() > 0)"
_HAS_NONE = "(!has(self.values) || self.values.size() == 0)"


class NodeOperator(StrEnum):
    """How a node's label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class PodLabelExpression(LabelExpression):
    """One condition on a label of a pod or namespace."""

    model_config = ConfigDict(
        json_schema_extra=_rule(f"self.operator in ['In', 'NotIn'] ? {_HAS_VALUES} : {_HAS_NONE}", VALUES_RULE)
    )

    key: Key = Field(description="Key of the label.")
    operator: LabelOperator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: Annotated[tuple[LabelValue, ...], Field(max_length=16)] = Field(
        default_factory=tuple, description="Values of the label."
    )

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if bool(self.values) != self.needs_values:
            raise ValueError(VALUES_RULE)
        return self


class PodSelector(LabelSelector):
    """Which pods or namespaces; an empty one means all."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=16)] = Field(
        default_factory=dict, description="Labels and values that all must be there."
    )
    match_expressions: Annotated[tuple[PodLabelExpression, ...], Field(max_length=8)] = Field(
        default_factory=tuple, description="Conditions that all must hold."
    )


class NodeRequirement(ApiType):
    """One condition on a label or field of a node."""

    model_config = ConfigDict(
        json_schema_extra=_rule(
            f"self.operator in ['In', 'NotIn'] ? {_HAS_VALUES} : (self.operator in ['Gt', 'Lt'] ? "
            "(has(self.values) && self.values.size() == 1 && self.values[0].matches('^[0-9]+$'))"
            f" : {_HAS_NONE})",
            NODE_VALUES_RULE,
        )
    )

    key: Key = Field(description="Key of the label.")
    operator: NodeOperator = Field(description="In, NotIn, Exists, DoesNotExist, Gt or Lt.")
    values: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=16)] = Field(
        default_factory=tuple, description="Values of the label."
    )

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        one_number = len(self.values) == 1 and self.values[0].isdecimal()
        compares = self.operator in (NodeOperator.GT, NodeOperator.LT)
        lists = self.operator in (NodeOperator.IN, NodeOperator.NOT_IN)
        if not (one_number if compares else bool(self.values) == lists):
            raise ValueError(NODE_VALUES_RULE)
        return self


class NodeField(StrEnum):
    """The fields by which a node can be named."""

    NAME = "metadata.name"


class FieldOperator(StrEnum):
    """How a node's field is compared."""

    IN = "In"
    NOT_IN = "NotIn"


class NodeFieldRequirement(ApiType):
    """One condition on a field of a node."""

    key: NodeField = Field(description="Name of the field.")
    operator: FieldOperator = Field(description="In or NotIn.")
    values: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(min_length=1, max_length=1)] = Field(
        description="The value of the field."
    )


class NodeSelectorTerm(ApiType):
    """Conditions on one node, all of which must hold; without any, no node is meant."""

    match_expressions: Annotated[tuple[NodeRequirement, ...], Field(max_length=8)] = Field(
        default_factory=tuple, description="Conditions on the node's labels."
    )
    match_fields: Annotated[tuple[NodeFieldRequirement, ...], Field(max_length=8)] = Field(
        default_factory=tuple, description="Conditions on the node's name."
    )


class NodeSelector(ApiType):
    """Which nodes: those that one of the terms means."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], Field(min_length=1, max_length=8)] = Field(
        description="Terms, one of which must hold."
    )


class PreferredNode(ApiType):
    """Nodes that are liked better."""

    weight: Weight = Field(description="How much better, 1 to 100.")
    preference: NodeSelectorTerm = Field(description="Which nodes.")


class NodeAffinity(ApiType):
    """Which nodes the pods must, or had better, run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Nodes that the pods must run on."
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[PreferredNode, ...], Field(max_length=8)] = (
        Field(default_factory=tuple, description="Nodes that are liked better.")
    )


class PodAffinityTerm(ApiType):
    """Pods, and how near to them counts as beside them."""

    label_selector: PodSelector | None = Field(default=None, description="Which pods; left out it means none.")
    namespaces: Annotated[
        tuple[Annotated[str, Field(pattern=DNS_NAME_PATTERN, max_length=63)], ...], Field(max_length=16)
    ] = Field(default_factory=tuple, description="Namespaces of the pods; the model's own when no namespace is said.")
    namespace_selector: PodSelector | None = Field(default=None, description="Namespaces of the pods, by label.")
    topology_key: Key = Field(description="Label of nodes: those with the same value are beside each other.")


class PreferredPods(ApiType):
    """Pods whose nearness, or distance, is liked better."""

    weight: Weight = Field(description="How much better, 1 to 100.")
    pod_affinity_term: PodAffinityTerm = Field(description="Which pods.")


class PodAffinity(ApiType):
    """Which pods to be near to; or, as podAntiAffinity, away from."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodAffinityTerm, ...], Field(max_length=8)] = (
        Field(default_factory=tuple, description="What must hold for a pod to be placed.")
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[PreferredPods, ...], Field(max_length=8)] = (
        Field(default_factory=tuple, description="What is liked better.")
    )


class Affinity(ApiType):
    """Kubernetes' affinity of pods."""

    node_affinity: NodeAffinity = Field(
        default_factory=NodeAffinity, description="Which nodes the pods run on; also for the resolve Job."
    )
    pod_affinity: PodAffinity = Field(
        default_factory=PodAffinity, description="Pods to be near to; replaces the wish for different nodes."
    )
    pod_anti_affinity: PodAffinity = Field(
        default_factory=PodAffinity, description="Pods to be away from; replaces the wish for different nodes."
    )


def as_written(part: NodeAffinity | PodAffinity) -> dict[str, Any]:
    """Return a part in Kubernetes' form; what says nothing is left out, an empty selector, which means all, is not."""
    return part.model_dump(mode="json", by_alias=True, exclude_defaults=True)
