"""The engine beside the reference library and llama.cpp: a process of each, which run the same in turn.

Comes in: Options. Goes out: rates of every round, for `results`. A process that waits for its turn takes no core, and
each has been asked once before it counts.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.runtime import llamacpp
from bench.runtime.calls import Side, cores, say, side
from bench.runtime.options import Options
from bench.runtime.results import Embedding, Generation, Race, smallest_cosine
from bench.runtime.stamps import decode_rate, whole_rate
from bench.runtime.workload import ARRIVAL_SECONDS, REQUESTS, SENTENCES, prompts, sentences
from model_runtime.engines.tokenizer import load_tokenizer
from tests.runtime.models import minilm_folder, smollm2_folder, smollm2_gguf

# While the prompts of eight go through, the first of them has answered some ten tokens.
_WARM_UP_TOKENS = 20
_DTYPES = ("BFloat16", "Float32")

Rates = dict[str, float]


def race_generation(options: Options, folder: Path) -> Generation:
    """Run the rounds of SmolLM2 in bfloat16.

    Raises:
        BenchError: a process of ours or of the reference's ended.

    """
    model = smollm2_folder()
    tokenizer = load_tokenizer(model)
    with ExitStack() as stack:
        ours = stack.enter_context(side("generation_ours", [model], folder))
        reference = stack.enter_context(side("generation_reference", [model], folder))
        rival, reason = _start_llamacpp(options, folder, stack)
        rounds = []
        for number in range(options.rounds + 1):
            say(f"generation: round {number} of {options.rounds}" if number else "generation: warming up")
            tokens = options.tokens if number else _WARM_UP_TOKENS
            task = _Task([tokenizer.encode(text) for text in prompts(number * REQUESTS)], tokens)
            rounds.append(_beside_reference(task, ours, reference) | _beside_llamacpp(task, ours, rival))
    return _generation(rounds[1:], reason)


def _start_llamacpp(options: Options, folder: Path, stack: ExitStack) -> tuple[Side | None, str | None]:
    """Return llama.cpp's process, or None and why it cannot run."""
    files = [smollm2_gguf(), folder / "bf16.gguf"]
    try:
        python = llamacpp.python(options.llamacpp)
        rival = stack.enter_context(side("generation_llamacpp", [*files, str(cores())], folder, python))
        rival.call("generate", prompts=[[1, 2, 3]], tokens=2)
    except BenchError as missing:
        return None, str(missing)
    return rival, None


@dataclass(frozen=True, slots=True)
class _Task:
    """What every side is to do: the prompts' tokens, and how many new ones each gets."""

    prompts: list[list[int]]
    tokens: int

    def alone(self, asked: Side) -> Any:  # noqa: ANN401 - what the calls answer is JSON
        """Have one request run: the longest prompt's."""
        longest = max(self.prompts, key=len)
        return asked.call("generate", prompts=[longest], tokens=self.tokens)

    def arriving(self, asked: Side, call: str = "generate") -> Any:  # noqa: ANN401
        """Have the requests arrive one after the other."""
        return asked.call(call, prompts=self.prompts, tokens=self.tokens, every=ARRIVAL_SECONDS)

    def together(self, asked: Side) -> Any:  # noqa: ANN401
        """Have the requests arrive at once."""
        return asked.call("generate", prompts=self.prompts, tokens=self.tokens)


def _beside_reference(task: _Task, ours: Side, reference: Side) -> Rates:
    rates = {"reference one": decode_rate(task.alone(reference)["stamps"])}
    rates |= {"ours one": decode_rate(task.alone(ours)["stamps"])}
    rates |= {"fifo": whole_rate(task.arriving(reference))}
    rates |= {"ours arriving": whole_rate(task.arriving(ours))}
    return rates | {"generate_batch": whole_rate(task.arriving(reference, "generate_batch"))}


def _beside_llamacpp(task: _Task, ours: Side, rival: Side | None) -> Rates:
    """Run what is compared with llama.cpp; `ours one` of `_beside_reference` is compared too."""
    if rival is None:
        return {}
    rates = {"llamacpp one": decode_rate(task.alone(rival)["stamps"])}
    rates |= {"llamacpp eight": decode_rate(task.together(rival)["stamps"])}
    return rates | {"ours eight": decode_rate(task.together(ours)["stamps"])}


def _generation(rounds: Sequence[Rates], reason: str | None) -> Generation:
    def race(ours: str, theirs: str) -> Race:
        return Race([one[ours] for one in rounds], [one[theirs] for one in rounds])

    return Generation(
        one=race("ours one", "reference one"),
        fifo=race("ours arriving", "fifo"),
        generate_batch=race("ours arriving", "generate_batch"),
        llamacpp_one=race("ours one", "llamacpp one") if reason is None else None,
        llamacpp_eight=race("ours eight", "llamacpp eight") if reason is None else None,
        llamacpp_reason=reason,
    )


def race_embeddings(options: Options, folder: Path) -> Mapping[str, Embedding]:
    """Run the rounds of MiniLM in each dtype.

    Raises:
        BenchError: a process ended.

    """
    model, texts = minilm_folder(), sentences() * options.passes
    with (
        side("embedding_ours", [model], folder) as ours,
        side("embedding_reference", [model], folder) as reference,
    ):
        return {dtype: _race_embedding(options.rounds, texts, dtype, ours, reference) for dtype in _DTYPES}


def _race_embedding(rounds: int, texts: list[str], dtype: str, ours: Side, reference: Side) -> Embedding:
    say(f"embeddings in {dtype}: {rounds} rounds")
    warm_up = texts[:SENTENCES]
    vectors = [
        one.call("embed", texts=warm_up, batch=batch, dtype=dtype)["vectors"]
        for batch in (1, SENTENCES)
        for one in (reference, ours)
    ]

    def race(batch: int) -> Race:
        rates: dict[str, list[float]] = {"ours": [], "reference": []}
        for _ in range(rounds):
            for name, one in (("reference", reference), ("ours", ours)):
                seconds = one.call("embed", texts=texts, batch=batch, dtype=dtype)["seconds"]
                rates[name].append(len(texts) / seconds)
        return Race(rates["ours"], rates["reference"])

    return Embedding(race(1), race(SENTENCES), smallest_cosine(vectors[0], vectors[-1]))
