"""What resolve refuses is what the engine refuses: both are asked about the same folders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from model_runtime.engines import bert, bert_config, llama, llama_config
from model_runtime.engines.errors import ModelError
from model_runtime.engines.placement import Placement
from model_runtime.errors import PermanentError
from model_runtime.manifest import FileEntry, Manifest
from model_runtime.prepare import verify_folder
from model_runtime.verify import Task
from tests.runtime.corpus.building import tokenizer
from tests.runtime.test_verify import BERT, LLAMA, POOLING, SENTENCE_MODULES

CPU = Placement(torch.device("cpu"), torch.float32)
SENTENCE = "sentence_bert_config.json"
TRANSFORMER, POOLING_MODULE = SENTENCE_MODULES
DENSE = {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}

LOADED = [
    ("the plain model", LLAMA, {}, {}),
    ("positions spelled the newer way", LLAMA, {"rope_parameters": {"rope_type": "default", "rope_theta": 1e5}}, {}),
    ("optional sizes that are null", LLAMA, {"head_dim": None, "rope_scaling": None, "sliding_window": None}, {}),
    ("a sliding window", LLAMA, {"sliding_window": 4096}, {}),
    ("scaled positions", LLAMA, {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, {}),
    ("scaled positions, spelled the older way", LLAMA, {"rope_scaling": {"type": "linear", "factor": 2.0}}, {}),
    ("a buffer of older libraries", LLAMA, {}, {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(2)}),
    ("the copy of tied embeddings", LLAMA, {}, {"lm_head.weight": torch.zeros(32, 8)}),
    ("the plain encoder", BERT, {}, {}),
    ("an encoder with its pooler", BERT, {}, {"pooler.dense.weight": torch.zeros(8, 8)}),
    ("pooling by the first token", BERT, {"1_Pooling/config.json": {"pooling_mode_cls_token": True}}, {}),
    ("no pipeline", BERT, {"modules.json": None}, {}),
    ("a limit that is null", BERT, {SENTENCE: {"max_seq_length": None}}, {}),
]
REFUSED = [
    ("another activation", LLAMA, {"hidden_act": "gelu"}, {}),
    ("biases in attention", LLAMA, {"attention_bias": True}, {}),
    ("biases in the feed-forward", LLAMA, {"mlp_bias": True}, {}),
    ("a sliding window of nothing", LLAMA, {"sliding_window": 0}, {}),
    ("scaled positions of another kind", LLAMA, {"rope_scaling": {"rope_type": "dynamic", "factor": 8.0}}, {}),
    ("the same, spelled the older way", LLAMA, {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, {}),
    ("scaled positions, spelled the newer way", LLAMA, {"rope_parameters": {"rope_type": "yarn"}}, {}),
    ("positions that are no object", LLAMA, {"rope_scaling": "linear"}, {}),
    ("a size that is missing", LLAMA, {"vocab_size": None}, {}),
    ("a size that is text", LLAMA, {"hidden_size": "8"}, {}),
    ("no heads", LLAMA, {"num_attention_heads": 0}, {}),
    ("heads that share unevenly", LLAMA, {"num_attention_heads": 4, "num_key_value_heads": 3}, {}),
    ("heads of an odd size", LLAMA, {"head_dim": 3}, {}),
    ("a missing tensor", LLAMA, {}, {"model.norm.weight": None}),
    ("an unexpected tensor", LLAMA, {}, {"model.layers.0.self_attn.q_proj.bias": torch.zeros(8)}),
    ("a tensor of another shape", LLAMA, {}, {"model.norm.weight": torch.zeros(9)}),
    ("a head that is missing", LLAMA, {"tie_word_embeddings": False}, {}),
    ("another activation of an encoder", BERT, {"hidden_act": "relu"}, {}),
    ("relative positions", BERT, {"position_embedding_type": "relative_key"}, {}),
    ("an encoder that is a decoder", BERT, {"is_decoder": True}, {}),
    ("heads that do not divide the hidden size", BERT, {"num_attention_heads": 3}, {}),
    ("pooling by the maximum", BERT, {"1_Pooling/config.json": {"pooling_mode_max_tokens": True}}, {}),
    ("pooling twice", BERT, {"1_Pooling/config.json": POOLING | {"pooling_mode_cls_token": True}}, {}),
    ("pooling that is not described", BERT, {"1_Pooling/config.json": None}, {}),
    ("pooling that is elsewhere", BERT, {"modules.json": [TRANSFORMER, POOLING_MODULE | {"path": "2_Pooling"}]}, {}),
    ("no pooling in the pipeline", BERT, {"modules.json": [TRANSFORMER]}, {}),
    ("a dense layer", BERT, {"modules.json": [*SENTENCE_MODULES, DENSE]}, {}),
    ("texts in lower case", BERT, {SENTENCE: {"do_lower_case": True}}, {}),
    ("a limit of nothing", BERT, {SENTENCE: {"max_seq_length": 0}}, {}),
    ("an encoder that lacks a tensor", BERT, {}, {"embeddings.LayerNorm.bias": None}),
]
Case = tuple[str, dict[str, Any], dict[str, Any], dict[str, torch.Tensor | None]]


def make_folder(folder: Path, case: Case) -> tuple[Manifest, Task, Callable[[Path, Placement], object]]:
    """Write the folder: `change` has fields of config.json, and files by their names."""
    _, config, change, tensors = case
    if config is LLAMA:
        shapes, task, load = llama_config.expected_shapes(llama_config.read_config(LLAMA)), Task.COMPLETION, llama.load
        files: dict[str, Any] = {}
    else:
        shapes, task, load = bert_config.expected_shapes(bert_config.read_config(BERT)), Task.EMBEDDING, bert.load
        files = {"modules.json": SENTENCE_MODULES, "1_Pooling/config.json": POOLING}
    files |= {name: value for name, value in change.items() if name.endswith(".json")}
    files["config.json"] = config | {name: value for name, value in change.items() if name not in files}
    whole = {name: torch.zeros(shape) for name, shape in shapes.items()} | tensors
    for name, value in files.items():
        if value is not None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(value))
    (folder / "tokenizer.json").write_bytes(tokenizer())
    save_file({name: tensor for name, tensor in whole.items() if tensor is not None}, folder / "model.safetensors")
    paths = [path for path in folder.rglob("*") if path.is_file()]
    digest = f"sha256:{'0' * 64}"
    entries = (FileEntry(path.relative_to(folder).as_posix(), path.stat().st_size, digest) for path in paths)
    return Manifest.of(entries), task, load


@pytest.mark.parametrize("case", LOADED, ids=[case[0] for case in LOADED])
def test_what_resolve_passes_the_engine_loads(case: Case, tmp_path: Path) -> None:
    manifest, task, load = make_folder(tmp_path, case)
    verify_folder(tmp_path, manifest, task)
    load(tmp_path, CPU)


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
def test_what_the_engine_refuses_resolve_refuses_in_the_same_words(case: Case, tmp_path: Path) -> None:
    manifest, task, load = make_folder(tmp_path, case)
    with pytest.raises(ModelError) as engine:
        load(tmp_path, CPU)
    with pytest.raises(PermanentError) as resolve:
        verify_folder(tmp_path, manifest, task)
    assert str(resolve.value) == str(engine.value)
