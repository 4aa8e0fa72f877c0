"""The compiled step: every library that this processor can run, in every number format, against float32 in torch."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from model_runtime.engines import llama
from model_runtime.engines.kv_cache import allocate_cache
from model_runtime.engines.placement import Placement
from model_runtime.native.builds import BUILDS, Build, best_build, processor_flags
from model_runtime.native.library import NativeDecoder, load_library

CPU = torch.device("cpu")
FLAGS = processor_flags(Path("/proc/cpuinfo").read_text())
RUNNABLE = [build for build in BUILDS if build.needs <= FLAGS]
# Logits of about 3 after four layers: keys, values and what goes into products are rounded to 24, 8 and 11 bits.
TOLERANCES = {torch.float32: 2e-4, torch.bfloat16: 0.12, torch.float16: 0.01}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model; its heads are grouped, and its feed-forward is no multiple of the vectors of two threads."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    config = LlamaConfig(
        vocab_size=176,
        hidden_size=96,
        intermediate_size=224,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.15,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(params=[1, 2, 3], ids=["one thread", "two threads", "three threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def logits(model: llama.Llama) -> torch.Tensor:
    """Return the logits after parts of a prompt, and then of four sequences of different lengths together."""
    cache = allocate_cache(model.config, model.placement, 48)
    tokens = torch.randint(0, 176, (4, 130), generator=torch.Generator().manual_seed(2)).tolist()
    blocks = [list(range(row, 48, 4)) for row in range(4)]
    lengths = (129, 1, 16, 70)
    found = []
    for row, length in enumerate(lengths):
        for start in range(0, length, 50):
            end = min(length, start + 50)
            span = llama.Span(tokens[row][start:end], start, blocks[row][: (end + 15) // 16])
            found.append(llama.forward(model, [span], cache))
    together = [
        llama.Span([tokens[row][length]], length, blocks[row][: length // 16 + 1]) for row, length in enumerate(lengths)
    ]
    return torch.cat([*found, llama.forward(model, together, cache)])


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("build", RUNNABLE, ids=lambda build: build.name)
def test_each_library_gives_what_torch_gives(folder: Path, threads: int, build: Build, dtype: torch.dtype) -> None:
    model = llama.load(folder, Placement(CPU, dtype))
    library = load_library(build)
    assert library is not None, "run python -m model_runtime.native.builds"
    ends = (model.embedding, model.norm, model.head)
    compiled = dataclasses.replace(model, native=NativeDecoder(library, llama._sizes(model.config), model.layers, ends))
    torch.testing.assert_close(logits(compiled), logits(in_float32(model)), rtol=0, atol=TOLERANCES[dtype])


def in_float32(model: llama.Llama) -> llama.Llama:
    """Return the same weights, already rounded, in float32 and for torch."""
    layers = tuple(
        dataclasses.replace(
            layer,
            **{
                field.name: tensor.float()
                for field in dataclasses.fields(layer)
                if (tensor := getattr(layer, field.name)) is not None
            },
        )
        for layer in model.layers
    )
    ends = {name: getattr(model, name).float() for name in ("embedding", "norm", "head")}
    return dataclasses.replace(model, placement=Placement(CPU, torch.float32), layers=layers, native=None, **ends)


def test_this_processor_has_a_library() -> None:
    """Where it has none the engine still answers, three times slower, and these tests would say nothing."""
    assert RUNNABLE


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        pytest.param(" ".join(sorted(BUILDS[0].needs)), "v4bf16", id="a processor with all of it"),
        pytest.param(" ".join(sorted(BUILDS[1].needs)), "v4", id="without bfloat16"),
        pytest.param(" ".join(sorted(BUILDS[2].needs)), "v3", id="without AVX-512"),
        pytest.param("sse2 avx", None, id="an old one"),
        pytest.param("", None, id="no word of it"),
    ],
)
def test_the_fastest_library_that_a_processor_can_run(flags: str, name: str | None) -> None:
    found = best_build(processor_flags(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: spectre_v1\n"))
    assert (found.name if found else None) == name


def test_a_library_that_was_not_compiled_is_none(tmp_path: Path) -> None:
    assert load_library(Build(name="of-nobody", flags=(), needs=frozenset())) is None
    assert load_library(None) is None
