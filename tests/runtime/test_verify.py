"""What a model is, from its documents and headers: architecture, task, dtype; and what is refused."""

import pytest

from model_runtime.documents import Documents
from model_runtime.engines import bert_config, classifier_config, llama_config
from model_runtime.engines.tensors import Shapes
from model_runtime.errors import InvalidModel, InvalidTensors, ModelRuntimeError, UnsupportedArchitecture
from model_runtime.safetensors_header import Tensor
from model_runtime.verify import Task, examine

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 32,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}
BERT = {
    "architectures": ["BertModel"],
    "vocab_size": 32,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
CLASSIFIER = BERT | {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "no", "1": "yes"}}
TENSORS = {
    "architectures": ["TensorModel"],
    "inputs": [{"name": "x", "dtype": "Float32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "dtype": "Float32", "shape": [-1, 2]}],
    "layers": [{"type": "Linear", "weight": "w"}],
}
TEMPLATE = {"chat_template": "{{ messages }}"}
POOLING = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}


def headers(shapes: Shapes, dtype: str = "BF16") -> dict[str, list[Tensor]]:
    """Return the headers of one file with these tensors; only their names, shapes and relative sizes count."""
    return {"model.safetensors": [Tensor(name, dtype, shape, 0, 2) for name, shape in shapes.items()]}


LLAMA_SHAPES = llama_config.expected_shapes(llama_config.read_config(LLAMA))
BERT_SHAPES = bert_config.expected_shapes(bert_config.read_config(BERT))
SHAPES: dict[str, Shapes] = {
    "BertModel": BERT_SHAPES,
    "BertForSequenceClassification": classifier_config.expected_shapes(classifier_config.read_config(CLASSIFIER)),
    "TensorModel": {"w": (2, 4)},
}
SENTENCE_MODULES = [
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
]


def weights_of(documents: Documents) -> dict[str, list[Tensor]]:
    """Return the weights that go with the documents' architecture."""
    named = documents.config.get("architectures") if isinstance(documents.config, dict) else None
    architecture = named[0] if isinstance(named, list) else None
    return headers(SHAPES.get(str(architecture), LLAMA_SHAPES))


NAMED = {"name": "default", "template": "{{ messages }}"}
OTHER = {"name": "rag", "template": "{{ messages }}"}
TASKS = [
    ("a causal model with a template is for chat", Task.AUTO, Documents(LLAMA, TEMPLATE), (), Task.CHAT),
    ("a template may be a list of them", Task.AUTO, Documents(LLAMA, {"chat_template": [NAMED]}), (), Task.CHAT),
    ("a template may be a file", Task.AUTO, Documents(LLAMA), ("chat_template.jinja",), Task.CHAT),
    ("of several the default counts", Task.AUTO, Documents(LLAMA, {"chat_template": [OTHER]}), (), Task.COMPLETION),
    ("without one it is for completion", Task.AUTO, Documents(LLAMA, {"chat_template": None}), (), Task.COMPLETION),
    ("completion may be asked for", Task.COMPLETION, Documents(LLAMA, TEMPLATE), (), Task.COMPLETION),
    (
        "BERT is for embedding",
        Task.AUTO,
        Documents(BERT, modules=SENTENCE_MODULES, pooling=POOLING),
        (),
        Task.EMBEDDING,
    ),
    ("a classifier is for classification", Task.AUTO, Documents(CLASSIFIER), (), Task.CLASSIFICATION),
    ("tensors are for themselves", Task.AUTO, Documents(TENSORS), (), Task.TENSOR),
    ("embedding may be asked for", Task.EMBEDDING, Documents(BERT), (), Task.EMBEDDING),
]


@pytest.mark.parametrize(("sentence", "asked", "documents", "paths", "task"), TASKS, ids=[case[0] for case in TASKS])
def test_the_task(sentence: str, asked: Task, documents: Documents, paths: tuple[str, ...], task: Task) -> None:
    assert examine(asked, paths, documents, weights_of(documents)).task is task


def test_only_a_tensor_model_says_its_inputs_and_outputs() -> None:
    interface = examine(Task.AUTO, (), Documents(TENSORS), headers(SHAPES["TensorModel"])).interface
    assert interface is not None
    assert [(port.name, port.shape) for port in (*interface.inputs, *interface.outputs)] == [("x", (4,)), ("y", (2,))]
    assert examine(Task.AUTO, (), Documents(BERT), headers(BERT_SHAPES)).interface is None


def test_the_dtype_is_that_of_most_bytes() -> None:
    tensors = headers(LLAMA_SHAPES)["model.safetensors"]
    mixed = [Tensor("lm_head.weight", "F32", (4,), 0, 1), *tensors]
    facts = examine(Task.AUTO, (), Documents(LLAMA), {"model.safetensors": mixed})
    assert (facts.architecture, facts.dtype) == ("LlamaForCausalLM", "bfloat16")


def architecture(name: str) -> Documents:
    return Documents({"architectures": [name]})


DENSE = [*SENTENCE_MODULES, {"type": "sentence_transformers.models.Dense"}]
REFUSED = [
    ("chat without a template", Task.CHAT, Documents(LLAMA), InvalidModel, "chat template"),
    ("embeddings of a causal model", Task.EMBEDDING, Documents(LLAMA), UnsupportedArchitecture, "Chat or Completion"),
    ("chat with BERT", Task.CHAT, Documents(BERT), UnsupportedArchitecture, "supported is Embedding"),
    ("a task without engine", Task.TENSOR, Documents(BERT), UnsupportedArchitecture, "task Tensor"),
    ("answers from a text", Task.AUTO, architecture("BertForQuestionAnswering"), UnsupportedArchitecture, "BertForQ"),
    (
        "chat with a classifier",
        Task.CHAT,
        Documents(CLASSIFIER),
        UnsupportedArchitecture,
        "is Classification",
    ),
    ("another architecture", Task.AUTO, architecture("Qwen9ForCausalLM"), UnsupportedArchitecture, "Qwen9"),
    ("no architecture", Task.AUTO, Documents({}), InvalidModel, "architectures"),
    ("architectures that are no list", Task.AUTO, Documents({"architectures": "x"}), InvalidModel, "architectures"),
    ("a config that is a list", Task.AUTO, Documents([]), InvalidModel, "architectures"),
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
        examine(asked, (), documents, weights_of(documents))


def test_a_tensor_in_two_shards_is_refused() -> None:
    shards = {"a": [Tensor("w", "F32", (1,), 0, 4)], "b": [Tensor("w", "F32", (1,), 0, 4)]}
    with pytest.raises(InvalidTensors, match="both in a and in b"):
        examine(Task.AUTO, (), Documents(LLAMA), shards)


def test_an_index_that_names_every_tensor_passes() -> None:
    index = {"weight_map": dict.fromkeys(LLAMA_SHAPES, "model.safetensors")}
    assert examine(Task.AUTO, (), Documents(LLAMA, index=index), headers(LLAMA_SHAPES)).task is Task.COMPLETION


def test_shards_without_their_index_are_refused() -> None:
    (tensors,) = headers(LLAMA_SHAPES).values()
    shards = {"model-00001-of-00002.safetensors": tensors[:3], "model-00002-of-00002.safetensors": tensors[3:]}
    with pytest.raises(InvalidModel, match=r"model\.safetensors\.index\.json is missing"):
        examine(Task.AUTO, (), Documents(LLAMA), shards)


def test_weights_without_tensors_are_refused() -> None:
    with pytest.raises(InvalidModel, match="no tensors"):
        examine(Task.AUTO, (), Documents(LLAMA), {"model.safetensors": []})
