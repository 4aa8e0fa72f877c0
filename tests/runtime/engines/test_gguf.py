"""GGUF: the engine's tensors and greedy answers are those of the reference library, which reads the same file."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, dequantize

from model_runtime.engines import generator, gguf_weights, llama
from model_runtime.engines.errors import InvalidModelError
from model_runtime.engines.kv_cache import allocate_cache
from model_runtime.engines.placement import Placement
from model_runtime.engines.weights import load_weights, stored_dtype
from model_runtime.errors import UnsupportedArchitecture
from model_runtime.gguf_documents import derived_documents
from model_runtime.gguf_header import read_header
from model_runtime.gguf_types import QUANTIZED
from tests.runtime.engines.generating import generate, tokens_of
from tests.runtime.models import smollm2_gguf
from tests.runtime.reference import CHAT_PROMPTS, ReferenceChat
from tests.runtime.tiny_gguf import F32, HEAD, KV_HEADS, WIDTH, tensors, tiny_gguf

CPU = Placement(torch.device("cpu"), torch.float32)
FORMATS = sorted(QUANTIZED | {"F32", "F16", "BF16"})


def prepared(path: Path) -> Path:
    """Write the documents beside a file, as `prepare` does."""
    with path.open("rb") as file:
        header = read_header(path.name, path.stat().st_size, file.read)
    for name, document in derived_documents(path.name, header, ()).items():
        (path.parent / name).write_text(json.dumps(document))
    return path.parent


def tiny(folder: Path, changed: dict[str, Any]) -> None:
    (folder / "m.gguf").write_bytes(tiny_gguf(changed=changed))
    prepared(folder / "m.gguf")


def load(folder: Path) -> dict[str, torch.Tensor]:
    config = llama.read_config(json.loads((folder / "config.json").read_text()))
    return load_weights(folder, llama.expected_shapes(config), CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(Path(shutil.copy(smollm2_gguf(), tmp_path_factory.mktemp("gguf"))))


@pytest.fixture(scope="module")
def reference(smollm2: Path) -> ReferenceChat:
    return ReferenceChat(smollm2, smollm2_gguf())


def test_every_tensor_is_that_of_the_reference_library(folder: Path, reference: ReferenceChat) -> None:
    wanted, found = reference.weights(), load(folder)
    assert set(wanted) - set(found) == {"lm_head.weight"}
    assert [name for name, tensor in found.items() if not torch.equal(tensor, wanted[name])] == []


def test_greedy_answers_are_those_of_the_reference_library(folder: Path, reference: ReferenceChat) -> None:
    loaded = generator.load(folder, CPU)
    for question in CHAT_PROMPTS[:5]:
        prompt = reference.prompt([{"role": "user", "content": question}])
        ids = loaded.tokenizer.encode(prompt)
        found = generate(loaded, ids, max_tokens=24, temperature=0, ignore_eos=True, logprobs=0)
        assert tokens_of(found) == reference.greedy(prompt, 24), question


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_dequantized_in_pieces_as_the_library_does_it_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven rows at a time, so that the last piece is shorter."""
    monkeypatch.setattr(gguf_weights, "_CHUNK_ELEMENTS", 7 * WIDTH)
    kind = GGMLQuantizationType[name]
    tiny(tmp_path, tensors(kind))
    found = load(tmp_path)
    stored, _ = tensors(kind)["blk.0.ffn_down.weight"]
    wanted = torch.from_numpy(np.array(dequantize(stored.view(np.uint8), kind))).view(WIDTH, WIDTH)
    torch.testing.assert_close(found["model.layers.0.mlp.down_proj.weight"], wanted, rtol=0, atol=0, equal_nan=True)


def test_the_rows_of_rotated_tensors_come_in_the_order_of_halves(tmp_path: Path) -> None:
    """llama.cpp puts the row of each pair of positions side by side: its row 1 begins a head's second half."""
    keys = np.arange(KV_HEADS * HEAD, dtype=np.float32)[:, None].repeat(WIDTH, axis=1)
    tiny(tmp_path, {"blk.0.attn_k.weight": (keys, F32)})
    rows = load(tmp_path)["model.layers.0.self_attn.k_proj.weight"][:, 0].tolist()
    assert rows[:3] + rows[HEAD // 2 : HEAD // 2 + 3] == [0, 2, 4, 1, 3, 5]
    assert rows[HEAD] == HEAD


def test_an_output_matrix_of_its_own_is_loaded(tmp_path: Path) -> None:
    output = {"output.weight": tensors()["token_embd.weight"]}
    tiny(tmp_path, output)
    model = llama.load(tmp_path, CPU)
    assert not model.config.tied
    cache = allocate_cache(model.config, CPU, 1)
    assert llama.forward(model, [llama.Span([1, 2, 3], 0, [0])], cache).shape == (1, 261)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"output_norm.weight": None}, "model.norm.weight is missing", id="a missing tensor"),
        pytest.param(
            {"rope_freqs.weight": tensors()["output_norm.weight"]}, "rope_freqs.weight", id="an unexpected one"
        ),
        pytest.param(
            {"output_norm.weight": tensors()["token_embd.weight"]}, r"has shape \[261, 256\]", id="a wrong shape"
        ),
    ],
)
def test_weights_are_strict(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    tiny(tmp_path, changed)
    with pytest.raises((InvalidModelError, UnsupportedArchitecture), match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("Q4_K", torch.bfloat16), ("F16", torch.float16), ("BF16", torch.bfloat16), ("F32", torch.float32)],
)
def test_a_gpu_computes_in_the_dtype_that_most_weights_are_loaded_in(
    tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    tiny(tmp_path, tensors(GGMLQuantizationType[name]))
    assert stored_dtype(tmp_path) == dtype
