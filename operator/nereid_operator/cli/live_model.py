"""What the operator's live API says of a model (docs/api.md), as values. Pure; read by live, shown by live_listing."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator

from nereid_operator.api.api_type import ApiType
from nereid_operator.progress import FetchProgress, fetch_progress


def _progress(body: object) -> FetchProgress | None:
    return None if body is None else fetch_progress(body)


class LiveQueue(ApiType):
    """Where the model is in the work queue: `seconds` is for how long it has waited, or in how long it comes back."""

    state: str
    seconds: float
    failures: int


class LivePass(ApiType):
    """One pass over the model, and what it found."""

    ended: datetime
    seconds: float
    result: str
    reason: str
    message: str


class LiveReplica(ApiType):
    """One pod of the model."""

    name: str
    revision: str
    phase: str
    restarts: int
    progress: Annotated[FetchProgress | None, BeforeValidator(_progress)]


class LiveModel(ApiType):
    """One model as the leader knows it; `ready` and `reason` are None before the first pass."""

    namespace: str
    name: str
    ready: str | None
    reason: str | None
    replicas: tuple[LiveReplica, ...]
    queue: LiveQueue
    last_pass: LivePass | None
    decisions: tuple[LivePass, ...]


class LiveModels(ApiType):
    """Every model."""

    models: tuple[LiveModel, ...]
