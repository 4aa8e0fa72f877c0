"""A replica from an empty folder to its answers: how long it takes to be ready, how much it holds, how fast it is.

Comes in: Options. Goes out: Serving, for `results`. The last of several cold starts is the one that is asked.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

from bench.fetch.server import build
from bench.fetch.server import serving as file_server
from bench.runtime.calls import Side, say, side
from bench.runtime.options import Options
from bench.runtime.replica import Replica, Source, replica, resolve
from bench.runtime.results import Serving, Start
from bench.runtime.stamps import step_milliseconds
from bench.runtime.streams import requests, stream_all
from bench.runtime.workload import REQUESTS, prompts
from model_runtime.engines.tokenizer import load_tokenizer
from tests.runtime.models import smollm2_folder

# Shorter than a block of the cache, so that no side finds it there; the answer goes on for longer than is asked for.
_SHORT_PROMPT = "The capital of France is"
_SHORT_TOKENS = 8
_CONCURRENT = 4
_ANSWER_TOKENS = 32
_WARM_UP_TOKENS = 8
# So many requests go to one, then as many to the other, and so on.
_TURN = 10
# Numbers of prompts that were not there before.
_PHASES_FROM = 100_000
_MILLISECONDS = 1e3


def measure_serving(options: Options, folder: Path) -> Serving:
    """Start replicas and ask the last.

    Raises:
        BenchError: a replica did not start, or did not answer as it should.

    """
    model, program = smollm2_folder(), build()
    with file_server(program, model) as url:
        source = Source(url, resolve(url, folder))
        starts = []
        for _ in range(options.cold_starts - 1):
            with _cold_replica(source, folder) as started:
                starts.append(started.start())
        with _cold_replica(source, folder) as last:
            starts.append(last.start())
            with side("generation_ours", [model], folder) as ours:
                return _ask(options, starts, last, ours)


def _cold_replica(source: Source, folder: Path) -> AbstractContextManager[Replica]:
    say("a replica from an empty folder")
    return replica(source, folder / "replica", REQUESTS)


def _ask(options: Options, starts: Sequence[Start], asked: Replica, ours: Side) -> Serving:
    """Ask the replica and, for what is compared, the engine in a process of its own, in turn."""
    stream_all(asked.port, prompts(0), _WARM_UP_TOKENS, REQUESTS)
    say(f"time to first token: {options.requests} requests")
    streams = stream_all(asked.port, prompts(REQUESTS, options.requests), _ANSWER_TOKENS, _CONCURRENT)
    say(f"overhead: {options.pairs} pairs of requests")
    served, direct = _pairs(options.pairs, asked, ours)
    return Serving(
        starts=starts,
        first_tokens=[one.first - one.asked for one in streams],
        served=served,
        direct=direct,
        phases={count: _phases(options, asked, ours, count) for count in (1, REQUESTS)},
    )


def _pairs(pairs: int, asked: Replica, ours: Side) -> tuple[list[float], list[float]]:
    """Return the seconds of short requests to the replica and to the engine, a few at a time in turn."""
    served, direct = [], []
    for start in range(0, pairs, _TURN):
        count = min(_TURN, pairs - start)
        served += requests(asked.port, _SHORT_PROMPT, _SHORT_TOKENS, count)
        direct += ours.call("requests", text=_SHORT_PROMPT, tokens=_SHORT_TOKENS, count=count)
    return served, direct


def _phases(options: Options, asked: Replica, ours: Side, count: int) -> Mapping[str, float]:
    """Return where a step of so many generations goes; `sending` is what a client of the replica waits longer."""
    say(f"phases of a step of {count}")
    tokenizer, found = load_tokenizer(smollm2_folder()), []
    for number in range(options.rounds):
        texts = prompts(_PHASES_FROM * count + number * REQUESTS, count)
        task = {"prompts": [tokenizer.encode(text) for text in texts], "tokens": options.tokens}
        there = median(one.step for one in stream_all(asked.port, texts, options.tokens, count)) * _MILLISECONDS
        here = step_milliseconds(ours.call("generate", **task)["stamps"])
        found.append(ours.call("phases", **task) | {"sending": there - here})
    return {name: median(one[name] for one in found) for name in found[0]}
