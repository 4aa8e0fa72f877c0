"""What a client may ask of a generation, and the choice of one token from logits.

`parse_sampling_parameters` reads the JSON of Triton's input `sampling_parameters`, in vLLM's names; `adjust` and
`sample` are pure but for the generator they are given. Called by `model_runtime.triton.generation` and `sequence`.
Letters in shapes: V vocabulary.
"""

from typing import Annotated, Any

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from torch import Tensor

from model_runtime.engines.errors import InvalidRequestError

MAX_STOPS = 16
MAX_STOP_LENGTH = 256
MAX_STOP_TOKENS = 64
MAX_BIASES = 1024
MAX_LOGPROBS = 20
# Dividing by less overflows; vLLM draws the line here too.
_GREEDY_BELOW = 1e-5
# What top-p leaves is mostly among these; a flat distribution is sorted whole.
_LIKELIEST = 1024

TokenId = Annotated[int, Field(ge=0, lt=2**31)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class SamplingParameters(BaseModel):
    """The sampling parameters of one request; the defaults are vLLM's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_tokens: Annotated[int, Field(ge=1)] | None = 16  # None: until the context is full
    min_tokens: Annotated[int, Field(ge=0)] = 0
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0  # 0: greedy
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=-1)] = 0  # 0 and -1: all
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_LENGTH)]],
        Field(max_length=MAX_STOPS),
        BeforeValidator(_as_list),
    ] = []
    stop_token_ids: Annotated[list[TokenId], Field(max_length=MAX_STOP_TOKENS)] = []
    ignore_eos: bool = False
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.01, le=2)] = 1.0  # less overflows
    logit_bias: Annotated[
        dict[str, Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]], Field(max_length=MAX_BIASES)
    ] = {}
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    structured_outputs: dict[str, Any] | None = None


def parse_sampling_parameters(text: str) -> SamplingParameters:
    """Read the JSON object; InvalidRequestError names the first field that is wrong."""
    try:
        return SamplingParameters.model_validate_json(text or "{}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "sampling_parameters"
        raise InvalidRequestError(field, f"{first['input']!r:.80} is wrong: {first['msg']}") from error


def read_biases(parameters: SamplingParameters, vocabulary: int) -> dict[int, float]:
    """Return `logit_bias` by token; InvalidRequestError for a key that is no token of the model."""
    biases: dict[int, float] = {}
    for key, bias in parameters.logit_bias.items():
        if not (key.isascii() and key.isdigit() and int(key) < vocabulary):
            raise InvalidRequestError("logit_bias", f"{key!r:.80} is no token; expected 0 to {vocabulary - 1}")
        biases[int(key)] = bias
    return biases


def make_generator(seed: int | None) -> torch.Generator:
    """Return the source of randomness of one request: repeatable with a seed, unforeseeable without."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


def penalize(logits: Tensor, parameters: SamplingParameters, tokens: list[int], generated: int) -> Tensor:
    """Return logits [V] lowered for tokens that were there before; the last `generated` of `tokens` are the output.

    Presence and frequency count the output (OpenAI's API reference, "frequency and presence penalties"), repetition
    takes the prompt too (arXiv:1909.05858, section 4.1).
    """
    if parameters.repetition_penalty != 1:
        seen = torch.tensor(sorted(set(tokens)), dtype=torch.long)
        found = logits[seen]
        factor = parameters.repetition_penalty
        logits = logits.index_put((seen,), torch.where(found > 0, found / factor, found * factor))
    if generated and (parameters.presence_penalty or parameters.frequency_penalty):
        output, counts = torch.unique(torch.tensor(tokens[-generated:]), return_counts=True)
        penalty = parameters.presence_penalty + parameters.frequency_penalty * counts
        logits = logits.index_put((output,), logits[output] - penalty)
    return logits


def sample(logits: Tensor, parameters: SamplingParameters, generator: torch.Generator) -> int:
    """Choose a token from logits [V]: greedy at or near temperature 0, else drawn from what `probabilities` leaves."""
    if parameters.temperature < _GREEDY_BELOW:
        return int(logits.argmax())
    weights = probabilities(logits, parameters)
    return int(torch.multinomial(weights, 1, generator=generator))


def probabilities(logits: Tensor, parameters: SamplingParameters) -> Tensor:
    """Return the distribution a token is drawn from, [V] in float32 (top-p: arXiv:1904.09751, min-p: 2407.01082)."""
    scaled = logits.float() / parameters.temperature
    if 0 < parameters.top_k < scaled.shape[0]:
        scaled = scaled.masked_fill(scaled < scaled.topk(parameters.top_k).values[-1], -torch.inf)
    weights = scaled.softmax(dim=-1)
    if parameters.min_p > 0:
        weights = weights.masked_fill(weights < parameters.min_p * weights.max(), 0)
    if parameters.top_p < 1:
        weights = _nucleus(weights / weights.sum(), parameters.top_p)
    return weights / weights.sum()


def _nucleus(weights: Tensor, mass: float) -> Tensor:
    """Keep the fewest likeliest tokens whose mass reaches `mass`."""
    ordered, order = weights.topk(min(_LIKELIEST, len(weights)))
    if float(ordered.sum()) < mass:
        ordered, order = weights.sort(descending=True)
    stays = ordered.cumsum(dim=-1) - ordered < mass
    stays[0] = True  # also where the mass is nothing in float32
    kept = order[stays]
    return torch.zeros_like(weights).index_put((kept,), weights[kept])
