"""What the benchmark of the engine makes of rates, moments and sizes."""

import json
from dataclasses import replace

import pytest

from bench.errors import BenchError
from bench.runtime.results import Embedding, Generation, Race, Results, Serving, Start, as_json, smallest_cosine, table
from bench.runtime.stamps import decode_rate, step_milliseconds, whole_rate

RESULTS = Results(
    threads=2,
    generation=Generation(
        one=Race([40.0, 60.0, 44.0], [20.0, 22.0, 30.0]),
        fifo=Race([120.0], [20.0]),
        generate_batch=Race([120.0], [48.0]),
        llamacpp_one=Race([44.0], [88.0]),
        llamacpp_eight=Race([250.0], [200.0]),
        llamacpp_reason=None,
    ),
    embeddings={
        "BFloat16": Embedding(Race([150.0], [100.0]), Race([300.0], [150.0]), cosine=0.99991),
        "Float32": Embedding(Race([120.0], [100.0]), Race([180.0], [100.0]), cosine=1.0),
    },
    serving=Serving(
        starts=[Start(1.0, 9.0, 800.0), Start(2.0, 8.0, 900.0), Start(3.0, 20.0, 850.0)],
        first_tokens=[number / 1000 for number in range(1, 201)],
        served=[0.105, 0.1, 0.2],
        direct=[0.1, 0.09, 0.3],
        phases={1: {"step": 22.0, "model": 20.12345}, 8: {"step": 30.0, "model": 28.0}},
    ),
)
FIGURES = {
    "tokens_ratio_1": 2.0,
    "tokens_ratio_8_fifo": 6.0,
    "tokens_ratio_8_generate_batch": 2.5,
    "llamacpp_bf16_ratio_1": 0.5,
    "llamacpp_bf16_ratio_8": 1.25,
    "llamacpp_reason": None,
    "embeddings_ratio_1": 1.5,
    "embeddings_ratio_32": 2.0,
    "embeddings_ratio_1_float32": 1.2,
    "embeddings_ratio_32_float32": 1.8,
    "ttft_p50_ms": 100.0,
    "ttft_p99_ms": 198.0,
    "ttft_requests": 200,
    "replica_mib": 850,
    "cold_start_seconds": 9.0,
    "triton_overhead_ms": 5.0,
    "step_ms": {"1": {"step": 22.0, "model": 20.123}, "8": {"step": 30.0, "model": 28.0}},
    "rounds": 3,
    "threads": 2,
}


def test_the_last_line_holds_the_figures() -> None:
    line = as_json(RESULTS)
    assert "\n" not in line
    assert json.loads(line) == FIGURES


def test_without_llamacpp_its_figures_are_null_and_say_why() -> None:
    generation = replace(RESULTS.generation, llamacpp_one=None, llamacpp_eight=None, llamacpp_reason="no compiler")
    figures = json.loads(as_json(replace(RESULTS, generation=generation)))
    assert (figures["llamacpp_bf16_ratio_1"], figures["llamacpp_bf16_ratio_8"]) == (None, None)
    assert figures["llamacpp_reason"] == "no compiler"
    lines = [line for line in table(replace(RESULTS, generation=generation)).splitlines() if "llamacpp" in line]
    assert [line.split(maxsplit=2)[1:] for line in lines] == [["none", "no compiler"]] * 2


def test_the_table_says_what_the_figures_come_from() -> None:
    lines = table(RESULTS).splitlines()
    assert lines[0].endswith("2.00   44.0 (40.0 to 60.0) a second, theirs 22.0 (20.0 to 30.0)")
    assert lines[6].endswith("; cosine ≥ 0.9999")
    assert lines[9].split()[:2] == ["ttft_p50_ms", "100.00"]
    assert lines[12].endswith("9.00   of which prepare 2.00, median of 3")
    assert lines[13].endswith("5.00   105.0 over HTTP, 100.0 by a call")
    assert lines[-1].endswith("step 30.00, model 28.00")


@pytest.mark.parametrize(
    ("stamps", "rate"),
    [
        pytest.param([[1.0, 1.5, 2.0]], 2.0, id="one generation: the first token is the prompt's"),
        pytest.param([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], 2.0, id="two: only while both decode"),
    ],
)
def test_decoding_is_timed_while_all_decode(stamps: list[list[float]], rate: float) -> None:
    assert decode_rate(stamps) == rate


def test_generations_that_never_ran_together_have_no_rate() -> None:
    with pytest.raises(BenchError, match="--tokens"):
        decode_rate([[1.0, 2.0], [2.0, 3.0]])


def test_a_whole_run_is_timed_from_the_first_arrival_to_the_last_token() -> None:
    assert whole_rate({"begin": 1.0, "stamps": [[3.0, 4.0], [2.0, 5.0]]}) == 1.0


def test_a_step_is_that_of_the_generation_in_the_middle() -> None:
    assert step_milliseconds([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0], [0.0, 9.0, 18.0]]) == 2000.0


def test_the_smallest_cosine_is_of_the_pair_that_agrees_least() -> None:
    assert smallest_cosine([[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.8, 0.6]]) == pytest.approx(0.96)
