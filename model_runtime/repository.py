"""The model repository that Triton reads: for each task a config.pbtxt and a model.py that names our Python backend.

Pure: the result maps relative paths to texts, and `prepare` writes them. Tensors are those of docs/architecture.md,
"What Triton serves"; a generation model looks like one of Triton's vLLM backend.
"""

from collections.abc import Mapping

from model_runtime.engines.device import Device
from model_runtime.pbtxt import block, listed, parameter, quoted, tensor
from model_runtime.serving import GENERATION, Serving
from model_runtime.verify import Task

_BACKENDS: Mapping[Task, str] = {
    Task.CHAT: "model_runtime.triton.generation",
    Task.COMPLETION: "model_runtime.triton.generation",
    Task.EMBEDDING: "model_runtime.triton.embedding",
}
_OPTIONAL = "optional: true"


def model_repository(serving: Serving) -> dict[str, str]:
    """Return the files of the repository: relative path → text."""
    config = generation_config(serving) if serving.task in GENERATION else embedding_config(serving)
    return {
        f"{serving.served_name}/config.pbtxt": config,
        f"{serving.served_name}/1/model.py": model_py(serving.task),
    }


def model_py(task: Task) -> str:
    """Return the file in which Triton looks for the class `TritonPythonModel`."""
    return (
        '"""Triton\'s Python backend imports this file; the model itself is in the package."""\n\n'
        f"from {_BACKENDS[task]} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )


def generation_config(serving: Serving) -> str:
    """Return config.pbtxt of a generation model: decoupled, so that one request has many answers."""
    return "".join(
        (
            _head(serving, max_batch_size=0),
            block("model_transaction_policy", "decoupled: true"),
            listed(
                "input",
                [
                    tensor("text_input", "TYPE_STRING", [1]),
                    tensor("stream", "TYPE_BOOL", [1], _OPTIONAL),
                    tensor("sampling_parameters", "TYPE_STRING", [1], _OPTIONAL),
                    tensor("exclude_input_in_output", "TYPE_BOOL", [1], _OPTIONAL),
                    tensor("return_finish_reason", "TYPE_BOOL", [1], _OPTIONAL),
                    tensor("return_num_input_tokens", "TYPE_BOOL", [1], _OPTIONAL),
                    tensor("return_num_output_tokens", "TYPE_BOOL", [1], _OPTIONAL),
                    tensor("return_cumulative_logprob", "TYPE_BOOL", [1], _OPTIONAL),
                    tensor("return_logprobs", "TYPE_BOOL", [1], _OPTIONAL),
                ],
            ),
            listed(
                "output",
                [
                    tensor("text_output", "TYPE_STRING", [-1]),
                    tensor("finish_reason", "TYPE_STRING", [-1]),
                    tensor("num_input_tokens", "TYPE_UINT32", [1]),
                    tensor("num_output_tokens", "TYPE_UINT32", [-1]),
                    tensor("cumulative_logprob", "TYPE_FP32", [-1]),
                    tensor("logprobs", "TYPE_STRING", [-1]),
                ],
            ),
            _tail(serving, engine_queue(serving)),
        )
    )


def engine_queue(serving: Serving) -> dict[str, str]:
    """Return the parameters by which the engine bounds what it does at a time: Triton bounds no decoupled model."""
    named = {
        "max_active": serving.max_batch_size,
        "max_queued": serving.max_queue_size,
        "queue_timeout_microseconds": serving.queue_timeout_microseconds,
        "kv_cache_bytes": serving.kv_cache_bytes,
    }
    return {name: str(value) for name, value in named.items() if value}


def embedding_config(serving: Serving) -> str:
    """Return config.pbtxt of an embedding model: single texts, which Triton batches."""
    return "".join(
        (
            _head(serving, max_batch_size=serving.max_batch_size),
            _batching(serving),
            listed("input", [tensor("text_input", "TYPE_STRING", [1])]),
            listed("output", [tensor("embedding", "TYPE_FP32", [-1]), tensor("num_input_tokens", "TYPE_INT32", [1])]),
            _tail(serving, {}),
        )
    )


def _batching(serving: Serving) -> str:
    """Return Triton's batcher and queue; what is one too many, or waits too long, is refused with 503."""
    policy = [
        *([f"max_queue_size: {serving.max_queue_size}"] if serving.max_queue_size else []),
        *(_timeout(serving.queue_timeout_microseconds) if serving.queue_timeout_microseconds else []),
    ]
    batching = block(
        "dynamic_batching",
        f"max_queue_delay_microseconds: {serving.max_queue_delay_microseconds}",
        *([block("default_queue_policy", *policy)] if policy else []),
    )
    return batching + (block("response_cache", "enable: true") if serving.response_cache else "")


def _timeout(microseconds: int) -> tuple[str, ...]:
    return ("timeout_action: REJECT", f"default_timeout_microseconds: {microseconds}")


def _head(serving: Serving, max_batch_size: int) -> str:
    return f'name: {quoted(serving.served_name)}\nbackend: "python"\nmax_batch_size: {max_batch_size}\n'


def _tail(serving: Serving, parameters: Mapping[str, str]) -> str:
    # One instance: the engine batches by itself, and a second one would load the weights again.
    instances = listed("instance_group", [("count: 1", "kind: KIND_CPU")])
    named = {
        "weights": str(serving.weights),
        "task": serving.task,
        "device": serving.device if serving.device is not Device.CPU else None,
        "dtype": serving.dtype,
        "digest": serving.digest,
        **parameters,
    }
    return instances + "".join(parameter(name, value) for name, value in named.items() if value is not None)
