"""Asks the operator that leads for its live numbers, over a stream to its pod (docs/api.md). Called by commands."""

import json
from typing import TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from nereid_operator.api.api_type import ApiType
from nereid_operator.api.resources import Key
from nereid_operator.cli.errors import ClusterError, MissingError
from nereid_operator.cli.gateway_model import GatewayDump
from nereid_operator.cli.http_stream import Open, sent
from nereid_operator.cli.live_model import LiveModel, LiveModels

ANSWER_SECONDS = 30

_Answer = TypeVar("_Answer", bound=ApiType)


def live_models(open_connection: Open) -> tuple[LiveModel, ...]:
    """Return every model, by namespace and name."""
    return _asked(open_connection, "/v1/models", LiveModels).models


def live_model(open_connection: Open, key: Key) -> LiveModel:
    """Return one model; MissingError when the operator knows none of that name."""
    return _asked(open_connection, f"/v1/models/{quote(key.namespace, safe='')}/{quote(key.name, safe='')}", LiveModel)


def gateway_dump(open_connection: Open, key: Key) -> GatewayDump:
    """Return how clients reach one model; MissingError when the operator knows none of that name, or no gateway."""
    return _asked(
        open_connection, f"/v1/gateway/{quote(key.namespace, safe='')}/{quote(key.name, safe='')}", GatewayDump
    )


def _asked(open_connection: Open, path: str, kind: type[_Answer]) -> _Answer:
    with open_connection() as connected:
        response = sent(connected, "GET", path, silence_seconds=ANSWER_SECONDS)
        body = _parsed(response.read())
    if response.status != 200:
        raise _refusal(response.status, body)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        field = ".".join(map(str, wrong["loc"])) or "the answer"
        raise ClusterError(f"the operator is of another version than this command: {field}: {wrong['msg']}") from error


def _refusal(status: int, body: object) -> ClusterError | MissingError:
    said = body if isinstance(body, dict) else {}
    if status == 503 and "error" in said:
        leader = said.get("leader")
        now = f"pod {leader} does" if leader else "nobody does at the moment"
        return ClusterError(f"the operator that was asked does not lead any more, {now}: ask again")
    if status == 404 and "error" in said:
        return MissingError(str(said["error"]))
    return ClusterError(f"the operator answered {status}: it is of a version without these live numbers")


def _parsed(text: bytes) -> object:
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return None
    return parsed
