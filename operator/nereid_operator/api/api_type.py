"""What all types of the custom resource have in common. Pure; used by the other modules of api/."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

from nereid_operator.api.quantities import QUANTITY_PATTERN, SIZE_PATTERN

DNS_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
DNS_NAME_MAX_LENGTH = 253

Quantity = Annotated[
    str | int,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": 32}),
]
Size = Annotated[
    str | int,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": SIZE_PATTERN, "maxLength": 32}),
]


class ApiType(BaseModel):
    """camelCase outside, snake_case inside, frozen; fields that this version does not know are left alone."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
