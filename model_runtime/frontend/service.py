"""What every handler of the API shares: the model's name, its prompts, Triton, the metrics and the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from model_runtime.frontend.errors import ModelNotFound
from model_runtime.frontend.metrics import Metrics
from model_runtime.frontend.prompts import Prompts
from model_runtime.frontend.triton_client import TritonClient


@dataclass(frozen=True, slots=True)
class Service:
    """One served model; handlers get it whole."""

    served_name: str
    task: str
    prompts: Prompts
    triton: TritonClient
    metrics: Metrics
    created: int  # Unix time of the start, in seconds
    now: Callable[[], float] = time.time

    def check_model(self, name: str) -> None:
        """Refuse a request for another model; ModelNotFound in OpenAI's words."""
        if name != self.served_name:
            message = f"The model `{name}` does not exist; this server has `{self.served_name}`"
            raise ModelNotFound(message, param="model", code="model_not_found")


SERVICE = web.AppKey("service", Service)
