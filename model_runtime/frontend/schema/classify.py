"""The body of POST /v1/classify, which is vLLM's."""

from model_runtime.frontend.schema.body import Body
from model_runtime.frontend.schema.fields import Input


class ClassifyBody(Body):
    """POST /v1/classify."""

    input: Input
