"""config.pbtxt by golden files (NEREID_UPDATE_GOLDEN=1 rewrites them), read back by Triton's own protobuf message."""

import os
from pathlib import Path, PurePosixPath

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from model_runtime.errors import InvalidArgument
from model_runtime.repository import Serving, model_repository
from model_runtime.verify import Task

GOLDEN = Path(__file__).parent / "golden"


def serving(task: Task, **fields: object) -> Serving:
    values = {
        "served_name": "smollm2",
        "weights": PurePosixPath("/var/lib/nereid/weights"),
        "max_batch_size": 8,
        "max_queue_delay_microseconds": 5000,
    }
    return Serving(**(values | {"task": task} | fields))


@pytest.mark.parametrize("task", [Task.CHAT, Task.COMPLETION, Task.EMBEDDING])
def test_the_repository_is_the_golden_one(task: Task) -> None:
    files = model_repository(serving(task))
    folder = GOLDEN / task.lower()
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
    ("a task without a backend", {"task": Task.TENSOR}, "--task Tensor"),
    ("a task that is not resolved", {"task": Task.AUTO}, "--task Auto"),
]


@pytest.mark.parametrize(("sentence", "fields", "says"), INVALID, ids=[case[0] for case in INVALID])
def test_what_cannot_be_served_is_refused(sentence: str, fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        serving(**({"task": Task.CHAT} | fields))
