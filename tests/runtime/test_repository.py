"""config.pbtxt by golden files (NEREID_UPDATE_GOLDEN=1 rewrites them), read back by Triton's own protobuf message."""

import os
from pathlib import Path, PurePosixPath

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.tensor_config import read_config
from model_runtime.errors import InvalidArgument
from model_runtime.repository import model_repository
from model_runtime.serving import Engine, Serving
from model_runtime.verify import Task
from tests.runtime.small_models import WORDS

GOLDEN = Path(__file__).parent / "golden"


def serving(task: Task, **fields: object) -> Serving:
    values = {
        "served_name": "smollm2",
        "weights": PurePosixPath("/var/lib/nereid/weights"),
        "max_batch_size": 8,
        "max_queue_delay_microseconds": 5000,
    }
    return Serving(**(values | {"task": task} | fields))


BOUNDED = {
    "dtype": Dtype.BFLOAT16,
    "digest": f"sha256:{'0' * 64}",
    "max_queue_size": 64,
    "queue_timeout_microseconds": 1_500_000,
}
PARALLEL = {"tensor_parallel_size": 4, "pipeline_parallel_size": 2, "quantization": "awq", "max_model_len": 8192}
GOLDENS = {
    "chat": (Task.CHAT, {}),
    "completion": (Task.COMPLETION, {}),
    "embedding": (Task.EMBEDDING, {}),
    "bounded-chat": (Task.CHAT, {**BOUNDED, "device": Device.GPU, "kv_cache_bytes": 1 << 30}),
    "bounded-embedding": (Task.EMBEDDING, {**BOUNDED, "response_cache": True}),
    "classification": (Task.CLASSIFICATION, {}),
    "tensor": (Task.TENSOR, {"response_cache": True, "alias": "team.words"}),
    "aliased-chat": (Task.CHAT, {"alias": "team.smollm2"}),
    "aliased-classification": (Task.CLASSIFICATION, {"alias": "team.smollm2"}),
    "vllm": (Task.CHAT, {"engine": Engine.VLLM}),
    "parallel-vllm": (Task.CHAT, {"engine": Engine.VLLM, "vllm_arguments": PARALLEL, "alias": "team.smollm2"}),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_the_repository_is_the_golden_one(name: str) -> None:
    task, fields = GOLDENS[name]
    interface = read_config(WORDS).interface if task is Task.TENSOR else None
    files = model_repository(serving(task, **fields), interface)
    folder = GOLDEN / name
    if os.environ.get("NEREID_UPDATE_GOLDEN"):
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    golden = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files == golden


def parsed(task: Task, **fields: object) -> ModelConfig:
    files = model_repository(serving(task, **fields))
    return text_format.Parse(next(text for path, text in files.items() if path.endswith("config.pbtxt")), ModelConfig())


def test_generation_is_decoupled_and_only_the_text_is_required() -> None:
    config = parsed(Task.CHAT)
    assert config.model_transaction_policy.decoupled
    assert [tensor.name for tensor in config.input if not tensor.optional] == ["text_input"]
    assert (config.max_batch_size, config.backend, config.parameters["task"].string_value) == (0, "python", "Chat")


def test_embedding_is_batched_as_asked() -> None:
    config = parsed(Task.EMBEDDING, max_batch_size=32, max_queue_delay_microseconds=700)
    assert config.max_batch_size == 32
    assert config.dynamic_batching.max_queue_delay_microseconds == 700


def test_an_alias_has_the_inputs_and_outputs_of_its_model() -> None:
    files = model_repository(serving(Task.CHAT, alias="team.smollm2"))
    model, alias = (
        text_format.Parse(files[f"{name}/config.pbtxt"], ModelConfig()) for name in ("smollm2", "team.smollm2")
    )
    assert (list(alias.input), list(alias.output)) == (list(model.input), list(model.output))
    (step,) = alias.ensemble_scheduling.step
    assert step.model_name == "smollm2"
    assert dict(step.input_map) == {tensor.name: tensor.name for tensor in model.input}
    assert dict(step.output_map) == {tensor.name: tensor.name for tensor in model.output}


def test_the_engine_bounds_generations_and_triton_the_rest() -> None:
    bounds = {"max_batch_size": 4, "max_queue_size": 5, "queue_timeout_microseconds": 6}
    engine, triton = parsed(Task.CHAT, **bounds), parsed(Task.EMBEDDING, **bounds)
    assert {name: engine.parameters[name].string_value for name in ("max_active", "max_queued")} == {
        "max_active": "4",
        "max_queued": "5",
    }
    policy = triton.dynamic_batching.default_queue_policy
    assert (policy.max_queue_size, policy.default_timeout_microseconds, policy.timeout_action) == (5, 6, policy.REJECT)
    assert "max_queued" not in triton.parameters


def test_a_path_with_quotes_stays_one_string() -> None:
    weights = PurePosixPath('/a "b"\\c/é')
    assert parsed(Task.CHAT, weights=weights).parameters["weights"].string_value == str(weights)


INVALID = [
    ("a name that leaves the folder", {"served_name": "../x"}, "--served-name"),
    ("a name with a slash", {"served_name": "a/b"}, "--served-name"),
    ("an empty name", {"served_name": ""}, "--served-name"),
    ("an overlong name", {"served_name": "x" * 129}, "--served-name"),
    ("a batch of nothing", {"max_batch_size": 0}, "--max-batch-size 0"),
    ("a delay below zero", {"max_queue_delay_microseconds": -1}, "--max-queue-delay-microseconds -1"),
    ("a queue for nobody", {"max_queue_size": 0}, "--max-queue-size 0"),
    ("a timeout below zero", {"queue_timeout_microseconds": -1}, "--queue-timeout-microseconds -1"),
    ("a cache of nothing", {"kv_cache_bytes": 0}, "--kv-cache-bytes 0"),
    ("a cache of tokens for an encoder", {"kv_cache_bytes": 1, "task": Task.EMBEDDING}, "--kv-cache-bytes with --task"),
    ("answers of a stream kept", {"response_cache": True}, "--response-cache with --task Chat"),
    ("an alias that leaves the folder", {"alias": "../x"}, "--alias '../x'"),
    ("an alias that is the name", {"alias": "smollm2"}, "--alias 'smollm2': expected another name"),
    ("vLLM's arguments for another engine", {"vllm_arguments": {}}, "--vllm-arguments with --engine torch"),
    ("vLLM for embeddings", {"engine": Engine.VLLM, "task": Task.EMBEDDING}, "--engine vllm with --task Embedding"),
    (
        "vLLM with a timeout of ours",
        {"engine": Engine.VLLM, "queue_timeout_microseconds": 1},
        "--engine vllm: expected",
    ),
    ("vLLM with a dtype of ours", {"engine": Engine.VLLM, "dtype": Dtype.BFLOAT16}, "--engine vllm: expected"),
    *(
        (f"vLLM led away by {name}", {"engine": Engine.VLLM, "vllm_arguments": {name: "x"}}, f"arguments: '{name}'")
        for name in ("model", "tokenizer", "trust_remote_code", "hf_config_path", "download_dir")
    ),
    ("a task that is not resolved", {"task": Task.AUTO}, "--task Auto"),
]


@pytest.mark.parametrize(("sentence", "fields", "says"), INVALID, ids=[case[0] for case in INVALID])
def test_what_cannot_be_served_is_refused(sentence: str, fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        serving(**({"task": Task.CHAT} | fields))
