"""The body of POST /v1/embeddings."""

from typing import Annotated, Literal

from pydantic import Field

from model_runtime.frontend.schema.body import Body
from model_runtime.frontend.schema.fields import Input


class EmbeddingBody(Body):
    """POST /v1/embeddings."""

    input: Input
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, lt=2**31)] | None = None
