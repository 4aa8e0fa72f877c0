"""The config.pbtxt of a model and of its alias, in Triton's words. Pure; `repository` says which file each goes to.

Triton batches and bounds the models that answer once. A generation is decoupled, one request and many answers, which
Triton neither batches nor bounds: that is the engine's, and the parameters tell it.
"""

from collections.abc import Iterable, Mapping

from model_runtime.engines.device import Device
from model_runtime.pbtxt import block, listed, parameter, quoted, tensor
from model_runtime.serving import GENERATION, Serving
from model_runtime.signatures import Field, Signature


def python_config(serving: Serving, signature: Signature) -> str:
    """Return the configuration of a model that our own engine runs."""
    generates = serving.task in GENERATION
    # One instance: the engine batches by itself, and a second one would load the weights again.
    instances = listed("instance_group", [("count: 1", "kind: KIND_CPU")])
    return "".join(
        (
            _head(serving.served_name, 'backend: "python"', 0 if generates else serving.max_batch_size),
            _decoupled() if generates else _batching(serving),
            _tensors(signature),
            instances,
            *_parameters(serving, _engine_queue(serving) if generates else {}),
        )
    )


def vllm_config(serving: Serving, signature: Signature) -> str:
    """Return the configuration of a model that vLLM runs: it places itself, and reads model.json beside it."""
    return "".join(
        (
            _head(serving.served_name, 'backend: "vllm"', 0),
            _decoupled(),
            _tensors(signature),
            listed("instance_group", [("count: 1", "kind: KIND_MODEL")]),
        )
    )


def alias_config(alias: str, serving: Serving, signature: Signature) -> str:
    """Return the configuration of another name for the model: an ensemble whose only step is the model."""
    step = (
        f"model_name: {quoted(serving.served_name)}",
        "model_version: -1",
        *(_mapped("input_map", field) for field in signature.inputs),
        *(_mapped("output_map", field) for field in signature.outputs),
    )
    return "".join(
        (
            _head(alias, 'platform: "ensemble"', 0 if serving.task in GENERATION else serving.max_batch_size),
            _tensors(signature),
            block("ensemble_scheduling", listed("step", [step])),
        )
    )


def _head(name: str, runs_by: str, max_batch_size: int) -> str:
    return f"name: {quoted(name)}\n{runs_by}\nmax_batch_size: {max_batch_size}\n"


def _decoupled() -> str:
    return block("model_transaction_policy", "decoupled: true")


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


def _tensors(signature: Signature) -> str:
    return _fields("input", signature.inputs) + _fields("output", signature.outputs)


def _fields(direction: str, fields: Iterable[Field]) -> str:
    return listed(
        direction,
        [tensor(one.name, one.data_type, one.dims, *(("optional: true",) if one.optional else ())) for one in fields],
    )


def _mapped(direction: str, field: Field) -> str:
    return block(direction, f"key: {quoted(field.name)}", f"value: {quoted(field.name)}")


def _engine_queue(serving: Serving) -> dict[str, str]:
    named = {
        "max_active": serving.max_batch_size,
        "max_queued": serving.max_queue_size,
        "queue_timeout_microseconds": serving.queue_timeout_microseconds,
        "kv_cache_bytes": serving.kv_cache_bytes,
    }
    return {name: str(value) for name, value in named.items() if value}


def _parameters(serving: Serving, more: Mapping[str, str]) -> Iterable[str]:
    named = {
        "weights": str(serving.weights),
        "task": serving.task,
        "device": serving.device if serving.device is not Device.CPU else None,
        "dtype": serving.dtype,
        "digest": serving.digest,
        **more,
    }
    return (parameter(name, value) for name, value in named.items() if value is not None)
