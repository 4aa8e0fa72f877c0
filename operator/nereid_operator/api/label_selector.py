"""Kubernetes' label selector: its type for the CRD, and what it selects. Pure; used by ServingPolicy and affinity.py.

affinity.py narrows it: there a selector stands in lists of lists, and CEL has to be affordable for all of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from nereid_operator.api.api_type import ApiType

KEY_MAX_LENGTH = 317  # a prefix of 253, a slash, a name of 63

LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]


class LabelOperator(StrEnum):
    """How an expression judges a label."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelExpression(ApiType):
    """What one label must be."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
                    "message": "values must be given with operator In or NotIn, and left out with the others",
                }
            ]
        }
    )

    key: str = Field(min_length=1, max_length=KEY_MAX_LENGTH, description="Key of the label.")
    operator: LabelOperator = Field(description="How the label is judged.")
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = Field(
        default_factory=tuple, description="Values for the operators In and NotIn."
    )

    @property
    def needs_values(self) -> bool:
        """Return whether the operator compares with values."""
        return self.operator in (LabelOperator.IN, LabelOperator.NOT_IN)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels are as the expression wants them; NotIn also takes what has no such label."""
        match self.operator:
            case LabelOperator.IN:
                return labels.get(self.key) in self.values
            case LabelOperator.NOT_IN:
                return labels.get(self.key) not in self.values
            case LabelOperator.EXISTS:
                return self.key in labels
            case LabelOperator.DOES_NOT_EXIST:
                return self.key not in labels


class LabelSelector(ApiType):
    """Which labels an object must have; an empty selector selects everything."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict, description="Labels that must be there with these values."
    )
    match_expressions: Annotated[tuple[LabelExpression, ...], Field(max_length=32)] = Field(
        default_factory=tuple, description="Expressions that must all hold."
    )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            expression.matches(labels) for expression in self.match_expressions
        )
