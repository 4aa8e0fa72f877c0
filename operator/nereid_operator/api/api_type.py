"""What all types of the custom resource have in common. Pure; used by the other modules of api/."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

DNS_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
DNS_NAME_MAX_LENGTH = 253


class ApiType(BaseModel):
    """camelCase outside, snake_case inside, frozen; fields that this version does not know are left alone."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
