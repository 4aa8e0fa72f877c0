"""`python -m bench.runtime.generation_reference FOLDER`: transformers in bfloat16; answers calls (`calls`)."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.utils import WorkloadHints
from transformers.generation.streamers import BaseStreamer

from bench.runtime.calls import answer_calls

# A token that a model never chooses: so no generation ends early.
_NONE = -1
_PADDING = 0
_REQUEST_SECONDS = 120.0
# Of 256 tokens each: many times what the requests need. Without a number the cache takes 60 % of the machine's memory.
_CACHE_BLOCKS = 64


class _Stamps(BaseStreamer):
    """Notes when each token came; what is put first is the prompt."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: object) -> None:  # noqa: ARG002 - the library names what it puts
        self.times.append(time.perf_counter())

    def end(self) -> None:
        self.times = self.times[1:]


@dataclass(frozen=True, slots=True)
class Reference:
    """The calls; each takes prompts that arrive one after the other."""

    model: Any

    def generate(self, prompts: list[list[int]], tokens: int, every: float = 0.0) -> dict[str, Any]:
        """Answer one after the other with `generate`; return when the first arrived, and when each token came."""
        begin = time.perf_counter()
        stamps = []
        for index, prompt in enumerate(prompts):
            _wait_until(begin + index * every)
            stamps.append(self._generate(prompt, tokens))
        return {"begin": begin, "stamps": stamps}

    def _generate(self, prompt: list[int], tokens: int) -> list[float]:
        ids, streamer = torch.tensor([prompt]), _Stamps()
        with torch.inference_mode():
            self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=_greedy(tokens),
                streamer=streamer,
            )
        return _whole(streamer.times, tokens)

    def generate_batch(self, prompts: list[list[int]], tokens: int, every: float) -> dict[str, Any]:
        """Answer with what `generate_batch` is made of, which takes requests while others run; return as `generate`."""
        # As `generate_batch` does it: the manager knows what will be asked of it, and is warm before anything is.
        with self.model.continuous_batching_context_manager(
            generation_config=_greedy(tokens),
            continuous_batching_config=ContinuousBatchingConfig(num_blocks=_CACHE_BLOCKS),
            workload_hints=WorkloadHints(max(map(len, prompts)), tokens, len(prompts)),
        ) as manager:
            begin = time.perf_counter()
            for index, prompt in enumerate(prompts):
                _wait_until(begin + index * every)
                manager.add_request(prompt, max_new_tokens=tokens, record_timestamps=True)
            results = [manager.get_result(timeout=_REQUEST_SECONDS) for _ in prompts]
        return {"begin": begin, "stamps": [_whole(result.timestamps, tokens) for result in results]}


def _greedy(tokens: int) -> Any:  # noqa: ANN401 - the library has few types
    settings: Any = GenerationConfig  # has no types
    return settings(do_sample=False, max_new_tokens=tokens, eos_token_id=_NONE, pad_token_id=_PADDING)


def _whole(stamps: list[float], tokens: int) -> list[float]:
    if len(stamps) != tokens:
        raise RuntimeError(f"{len(stamps)} tokens were generated: expected {tokens}")
    return stamps


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


def main(arguments: Sequence[str]) -> int:
    """Load the model and answer calls."""
    (folder,) = arguments
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    reference = Reference(model.eval())
    answer_calls({"generate": reference.generate, "generate_batch": reference.generate_batch})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
