"""A decoder ready to generate: model, tokenizer, cache and batcher, put together from a folder.

`load` is called by `model_runtime.triton.generation` and by the benchmark; `read` turns a prompt and its sampling
parameters into a request for the scheduler.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from model_runtime.engines import llama
from model_runtime.engines.batcher import PROMPT_TOKENS_ALONE, Batcher
from model_runtime.engines.errors import InvalidRequestError
from model_runtime.engines.generate import Piece, plan
from model_runtime.engines.grammar import Grammars, GrammarState
from model_runtime.engines.kv_blocks import BlockPool
from model_runtime.engines.kv_cache import BLOCK_TOKENS, KVCache, allocate_cache, cache_blocks
from model_runtime.engines.placement import Placement, free_bytes
from model_runtime.engines.sampling import SamplingParameters, make_generator, read_biases
from model_runtime.engines.sequence import Request, Sink
from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer

_SHORT_PROMPT = 16
_FEW_TOKENS = 4
_WARM_UP = SamplingParameters(max_tokens=_FEW_TOKENS, temperature=0, ignore_eos=True)


@dataclass(slots=True)
class _WarmUpSink:
    """Where answers go while the engine warms up; `error` is what must not be kept quiet."""

    error: Exception | None = None

    def is_cancelled(self) -> bool:
        return False

    def send(self, piece: Piece) -> None:
        pass

    def fail(self, error: Exception) -> None:
        self.error = error


@dataclass(frozen=True, slots=True)
class Generator:
    """`context` is the longest prompt with its answer in tokens: the model's, or what the whole cache holds."""

    model: llama.Llama
    tokenizer: Tokenizer
    cache: KVCache
    blocks: int
    grammars: Grammars | None  # None for a model that has no end token

    @property
    def context(self) -> int:
        """The longest prompt with its answer."""
        return min(self.model.config.context, self.blocks * BLOCK_TOKENS)

    def batcher(self, max_active: int) -> Batcher:
        """Return a batcher over the whole cache; one at a time."""
        forward = partial(_forward, self.model, self.cache)
        return Batcher(forward, BlockPool(self.blocks), self.tokenizer, max_active)

    def warm_up_once(self, max_active: int) -> None:
        """Go through the shapes that serving uses: a long prompt alone, then as many short ones as run at a time."""
        batcher, sink = self.batcher(max_active), _WarmUpSink()
        for count, length in ((1, PROMPT_TOKENS_ALONE), (max_active, _SHORT_PROMPT)):
            # None at once: a cache that is too small for all of them runs some after the others.
            prompt = [0] * max(1, min(length, self.context - _FEW_TOKENS))
            for _ in range(count):
                batcher.add(self.read(prompt, _WARM_UP, sink))
            while not batcher.idle:
                batcher.step(now=0.0)
        if sink.error is not None:
            raise sink.error

    def read(
        self,
        prompt: list[int],
        sampling: SamplingParameters,
        sink: Sink,
        *,
        deadline: float | None = None,
        start_deadline: float | None = None,
    ) -> Request:
        """Return the request for a prompt; InvalidRequestError names what is wrong with it."""
        unknown = next((token for token in prompt if token >= self.model.config.vocabulary), None)
        if unknown is not None:
            raise InvalidRequestError("text_input", f"{unknown} is no token of the model")
        return Request(
            generation=plan(prompt, sampling, self.context),
            sink=sink,
            generator=make_generator(sampling.seed),
            biases=read_biases(sampling, self.model.config.vocabulary),
            grammar=self._grammar(sampling),
            deadline=deadline,
            start_deadline=start_deadline,
        )

    def _grammar(self, sampling: SamplingParameters) -> GrammarState | None:
        if sampling.structured_outputs is None:
            return None
        if self.grammars is None:
            raise InvalidRequestError("structured_outputs", "the model has no end token; expected plain text")
        return self.grammars.start(sampling.structured_outputs)


def load(folder: Path, placement: Placement, kv_cache_bytes: int | None = None) -> Generator:
    """Return the generator of a model's folder, with a cache of so many bytes."""
    model, tokenizer = llama.load(folder, placement), load_tokenizer(folder)
    blocks = cache_blocks(model.config, placement, kv_cache_bytes, free_bytes(placement))
    ends, vocabulary = tokenizer.end_ids, model.config.vocabulary
    return Generator(
        model=model,
        tokenizer=tokenizer,
        cache=allocate_cache(model.config, placement, blocks),
        blocks=blocks,
        grammars=Grammars(folder / "tokenizer.json", ends, vocabulary) if ends else None,
    )


def _forward(model: llama.Llama, cache: KVCache, spans: list[llama.Span]) -> Tensor:
    return llama.forward(model, spans, cache).cpu()
