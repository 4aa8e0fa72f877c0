"""What a client may ask of a generation, and the choice of one token from logits.

`parse_sampling_parameters` reads the JSON of Triton's input `sampling_parameters`, in vLLM's names; `sample` is pure
but for the generator it is given. Called by `model_runtime.triton.generation` and `generate`.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from torch import Tensor

from model_runtime.engines.errors import InvalidRequestError

MAX_STOPS = 16
MAX_STOP_LENGTH = 256
# Dividing by less overflows; vLLM draws the line here too.
_GREEDY_BELOW = 1e-5


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class SamplingParameters(BaseModel):
    """The sampling parameters of one request; the defaults are vLLM's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_tokens: Annotated[int, Field(ge=1)] | None = 16  # None: until the context is full
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0  # 0: greedy
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=-1)] = 0  # 0 and -1: all
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_LENGTH)]],
        Field(max_length=MAX_STOPS),
        BeforeValidator(_as_list),
    ] = []
    ignore_eos: bool = False


def parse_sampling_parameters(text: str) -> SamplingParameters:
    """Read the JSON object; InvalidRequestError names the first field that is wrong."""
    try:
        return SamplingParameters.model_validate_json(text or "{}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "sampling_parameters"
        raise InvalidRequestError(field, f"{first['input']!r:.80} is wrong: {first['msg']}") from error


def make_generator(seed: int | None) -> torch.Generator:
    """Return the source of randomness of one request: repeatable with a seed, unforeseeable without."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


def sample(logits: Tensor, parameters: SamplingParameters, generator: torch.Generator) -> int:
    """Choose a token from logits [V]: greedy at or near temperature 0, else drawn from what top-k and top-p leave."""
    if parameters.temperature < _GREEDY_BELOW:
        return int(logits.argmax())
    weights = probabilities(logits, parameters)
    return int(torch.multinomial(weights, 1, generator=generator))


def probabilities(logits: Tensor, parameters: SamplingParameters) -> Tensor:
    """Return the distribution a token is drawn from, [V] in float32 on the CPU (top-p: arXiv:1904.09751)."""
    scaled = logits.float().cpu() / parameters.temperature
    if 0 < parameters.top_k < scaled.shape[0]:
        scaled = scaled.masked_fill(scaled < scaled.topk(parameters.top_k).values[-1], -torch.inf)
    if parameters.top_p < 1:
        ordered, order = scaled.softmax(dim=-1).sort(descending=True)
        # A token stays while the mass before it is below top_p: the first one always stays.
        cut = order[ordered.cumsum(dim=-1) - ordered >= parameters.top_p]
        scaled = scaled.index_fill(0, cut, -torch.inf)
    return scaled.softmax(dim=-1)
