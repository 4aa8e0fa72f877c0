"""What a model is, from its documents and headers: architecture, task, dtype; and what is refused."""

import pytest

from model_runtime.errors import InvalidModel, ModelRuntimeError, UnsafeFile, UnsupportedArchitecture
from model_runtime.safetensors_header import Tensor
from model_runtime.verify import Documents, Task, examine, parse_document

LLAMA = {"architectures": ["LlamaForCausalLM"]}
BERT = {"architectures": ["BertModel"]}
TEMPLATE = {"chat_template": "{{ messages }}"}
WEIGHTS = {"model.safetensors": [Tensor("w", "BF16", (4,), 0, 8), Tensor("norm", "F32", (1,), 8, 12)]}
SENTENCE_MODULES = [{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling")]

TASKS = [
    ("a causal model with a template is for chat", Task.AUTO, Documents(LLAMA, TEMPLATE), (), Task.CHAT),
    ("a template may be a list of them", Task.AUTO, Documents(LLAMA, {"chat_template": [{}]}), (), Task.CHAT),
    ("a template may be a file", Task.AUTO, Documents(LLAMA), ("chat_template.jinja",), Task.CHAT),
    ("without one it is for completion", Task.AUTO, Documents(LLAMA, {"chat_template": None}), (), Task.COMPLETION),
    ("completion may be asked for", Task.COMPLETION, Documents(LLAMA, TEMPLATE), (), Task.COMPLETION),
    ("BERT is for embedding", Task.AUTO, Documents(BERT, modules=SENTENCE_MODULES), (), Task.EMBEDDING),
    ("embedding may be asked for", Task.EMBEDDING, Documents(BERT), (), Task.EMBEDDING),
]


@pytest.mark.parametrize(("sentence", "asked", "documents", "paths", "task"), TASKS, ids=[case[0] for case in TASKS])
def test_the_task(sentence: str, asked: Task, documents: Documents, paths: tuple[str, ...], task: Task) -> None:
    assert examine(asked, paths, documents, WEIGHTS).task is task


def test_the_dtype_is_that_of_most_bytes() -> None:
    facts = examine(Task.AUTO, (), Documents(LLAMA), WEIGHTS)
    assert (facts.architecture, facts.dtype) == ("LlamaForCausalLM", "bfloat16")


def architecture(name: str) -> Documents:
    return Documents({"architectures": [name]})


DENSE = [*SENTENCE_MODULES, {"type": "sentence_transformers.models.Dense"}]
REFUSED = [
    ("chat without a template", Task.CHAT, Documents(LLAMA), InvalidModel, "chat template"),
    ("embeddings of a causal model", Task.EMBEDDING, Documents(LLAMA), UnsupportedArchitecture, "Chat or Completion"),
    ("chat with BERT", Task.CHAT, Documents(BERT), UnsupportedArchitecture, "supported is Embedding"),
    ("a task without engine", Task.TENSOR, Documents(BERT), UnsupportedArchitecture, "task Tensor"),
    ("classification", Task.AUTO, architecture("BertForSequenceClassification"), UnsupportedArchitecture, "BertFor"),
    ("another architecture", Task.AUTO, architecture("Qwen9ForCausalLM"), UnsupportedArchitecture, "Qwen9"),
    ("no architecture", Task.AUTO, Documents({}), InvalidModel, "architectures"),
    ("architectures that are no list", Task.AUTO, Documents({"architectures": "x"}), InvalidModel, "architectures"),
    ("a config that is a list", Task.AUTO, Documents([]), InvalidModel, "architectures"),
    ("remote code", Task.AUTO, Documents({**LLAMA, "auto_map": {}}), UnsafeFile, "auto_map"),
    (
        "quantized weights",
        Task.AUTO,
        Documents({**LLAMA, "quantization_config": {"quant_method": "gptq"}}),
        UnsupportedArchitecture,
        "gptq",
    ),
    ("a dense layer after pooling", Task.AUTO, Documents(BERT, modules=DENSE), UnsupportedArchitecture, "Dense"),
    ("modules of another form", Task.AUTO, Documents(BERT, modules={}), InvalidModel, "modules.json"),
    ("an index of another form", Task.AUTO, Documents(LLAMA, index={"weight_map": []}), InvalidModel, "weight_map"),
    (
        "an index with a tensor that is nowhere",
        Task.AUTO,
        Documents(LLAMA, index={"weight_map": {"gone": "model.safetensors"}}),
        InvalidModel,
        "'gone' is listed in model.safetensors: it is in None",
    ),
]


@pytest.mark.parametrize(("sentence", "asked", "documents", "error", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(
    sentence: str, asked: Task, documents: Documents, error: type[ModelRuntimeError], says: str
) -> None:
    with pytest.raises(error, match=says):
        examine(asked, (), documents, WEIGHTS)


def test_a_tensor_in_two_shards_is_refused() -> None:
    shards = {"a": [Tensor("w", "F32", (1,), 0, 4)], "b": [Tensor("w", "F32", (1,), 0, 4)]}
    with pytest.raises(InvalidModel, match="both in a and in b"):
        examine(Task.AUTO, (), Documents(LLAMA), shards)


def test_an_index_that_names_every_tensor_passes() -> None:
    index = {"weight_map": {"w": "model.safetensors", "norm": "model.safetensors"}}
    assert examine(Task.AUTO, (), Documents(LLAMA, index=index), WEIGHTS).task is Task.COMPLETION


def test_weights_without_tensors_are_refused() -> None:
    with pytest.raises(InvalidModel, match="no tensors"):
        examine(Task.AUTO, (), Documents(LLAMA), {"model.safetensors": []})


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_document_that_is_no_json_names_itself(content: bytes) -> None:
    with pytest.raises(InvalidModel, match=r"config\.json: not valid JSON"):
        parse_document("config.json", content)
