"""Documents with any JSON in the places that are read: what comes of them is a fact or a reason, never a crash."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.documents import Documents
from model_runtime.errors import ModelRuntimeError
from model_runtime.remote_code import check_documents
from model_runtime.verify import Task, examine
from tests.runtime.test_verify import BERT, BERT_SHAPES, LLAMA, LLAMA_SHAPES, POOLING, SENTENCE_MODULES, headers

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
anything = st.recursive(
    scalars | st.sampled_from(["default", "silu", "Transformer", "1_Pooling", 8, 1, 2, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ROPE = ("rope_parameters", "rope_scaling")
ropes = st.dictionaries(st.sampled_from(["rope_type", "type", "rope_theta", "factor"]), anything, max_size=4)
NAMES = (
    *LLAMA,
    *BERT,
    *ROPE,
    "head_dim",
    "hidden_act",
    "quantization_config",
    "sliding_window",
    "rope_theta",
    "eos_token_id",
    "auto_map",
    "position_embedding_type",
)
changes = st.dictionaries(st.sampled_from(sorted({*NAMES})), anything | ropes, max_size=3)
tokenizer_configs = (
    st.none()
    | anything
    | st.dictionaries(st.sampled_from(["chat_template", "bos_token", "eos_token", "auto_map"]), anything, max_size=4)
)
generations = st.none() | anything | st.fixed_dictionaries({"eos_token_id": anything})
modules = (
    st.none()
    | st.just(SENTENCE_MODULES)
    | anything
    | st.lists(
        st.fixed_dictionaries({}, optional={"type": anything | st.just(SENTENCE_MODULES[1]["type"]), "path": anything})
    )
)
poolings = st.none() | st.just(POOLING) | anything | st.dictionaries(st.sampled_from(sorted(POOLING)), anything)
sentences = st.none() | anything | st.dictionaries(st.sampled_from(["max_seq_length", "do_lower_case"]), anything)
indexes = st.none() | anything | st.fixed_dictionaries({"weight_map": anything})


def look(documents: Documents, weights: Any, task: Task) -> None:
    try:
        check_documents(documents)
        examine(task, (), documents, weights)
    except ModelRuntimeError as error:
        assert len(str(error)) < 1000  # noqa: PT017


@settings(max_examples=400, deadline=None)
@given(changes, tokenizer_configs, generations, indexes, st.sampled_from(Task))
def test_any_document_of_a_decoder(
    change: dict[str, Any], tokenizer_config: object, generation: object, index: object, task: Task
) -> None:
    documents = Documents(LLAMA | change, tokenizer_config, index=index, generation=generation)
    look(documents, headers(LLAMA_SHAPES), task)


@settings(max_examples=400, deadline=None)
@given(changes, modules, poolings, sentences)
def test_any_document_of_an_encoder(change: dict[str, Any], module: object, pooling: object, sentence: object) -> None:
    documents = Documents(BERT | change, modules=module, pooling=pooling, sentence=sentence)
    look(documents, headers(BERT_SHAPES), Task.AUTO)


@settings(max_examples=200, deadline=None)
@given(anything)
def test_any_config_at_all(config: object) -> None:
    look(Documents(config), headers(LLAMA_SHAPES), Task.AUTO)
