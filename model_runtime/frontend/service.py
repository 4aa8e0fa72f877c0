"""What every handler of the API shares: the model's name, its prompts, Triton, the metrics and the clocks."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from model_runtime.frontend.admission import Admission
from model_runtime.frontend.errors import InvalidRequest, ModelNotFound
from model_runtime.frontend.load import LoadReport
from model_runtime.frontend.metrics import Metrics
from model_runtime.frontend.prompts import Prompts
from model_runtime.frontend.triton_client import TritonClient

# Where a model of each task is asked.
_ROUTES = {
    "Chat": "/v1/chat/completions",
    "Completion": "/v1/completions",
    "Embedding": "/v1/embeddings",
    "Classification": "/v1/classify",
}
DEFAULT_BODY_SECONDS = 30.0
_MOST_SHOWN = 128


@dataclass(frozen=True, slots=True)
class Service:
    """One served model; handlers get it whole."""

    served_name: str
    task: str
    prompts: Prompts | None  # None for a model that takes no text
    triton: TritonClient
    metrics: Metrics
    admission: Admission
    created: int  # Unix time of the start, in seconds
    alias: str | None = None  # a second name by which the model may be called
    digest: str | None = None  # of the manifest that Triton should have loaded; None: any
    load: LoadReport | None = None  # None: answers tell no load
    body_seconds: float = DEFAULT_BODY_SECONDS  # how long a body may take to come
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    @property
    def texts(self) -> Prompts:
        """The model's tokenizer and template; for a task that passed `check_task`."""
        if self.prompts is None:
            raise InvalidRequest(f"model: {self.served_name} takes no text", param="model")
        return self.prompts

    @property
    def names(self) -> tuple[str, ...]:
        """What the model may be called, its served name first."""
        return (self.served_name,) if self.alias is None else (self.served_name, self.alias)

    def check_model(self, name: str) -> None:
        """Refuse a request for another model; ModelNotFound in OpenAI's words."""
        if name not in self.names:
            message = f"The model `{name[:_MOST_SHOWN]}` does not exist; this server has `{self.served_name}`"
            raise ModelNotFound(message, param="model", code="model_not_found")

    def check_task(self, wanted: Sequence[str]) -> None:
        """Refuse a request for another task than the model's; InvalidRequest says where to ask instead."""
        if self.task in wanted:
            return
        instead = _ROUTES.get(self.task)
        where = (
            f"POST {instead}" if instead else f"the Open Inference Protocol, POST /v2/models/{self.served_name}/infer"
        )
        message = f"model: {self.served_name} is for the task {self.task}, not for {' or '.join(wanted)}; use {where}"
        raise InvalidRequest(message, param="model", code="unsupported_task")


SERVICE = web.AppKey("service", Service)
