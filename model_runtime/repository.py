"""The model repository that Triton reads: a config.pbtxt and a model.py that names our Python backend, or vLLM's files.

Pure: the result maps relative paths to texts, and `prepare` writes them. `model_configs` has the configurations,
`signatures` the tensors.
"""

import json
from collections.abc import Mapping

from model_runtime.engines.tensor_config import Interface
from model_runtime.model_configs import alias_config, python_config, vllm_config
from model_runtime.serving import Engine, Serving
from model_runtime.signatures import Signature, signature_of
from model_runtime.verify import Task

_BACKENDS: Mapping[Task, str] = {
    Task.CHAT: "model_runtime.triton.generation",
    Task.COMPLETION: "model_runtime.triton.generation",
    Task.EMBEDDING: "model_runtime.triton.embedding",
    Task.CLASSIFICATION: "model_runtime.triton.classification",
    Task.TENSOR: "model_runtime.triton.tensor",
}


def model_repository(serving: Serving, interface: Interface | None = None) -> dict[str, str]:
    """Return the files of the repository: relative path → text. `interface` is that of a tensor model."""
    signature = signature_of(serving.task, interface)
    files = _vllm_files(serving, signature) if serving.engine is Engine.VLLM else _python_files(serving, signature)
    named = {f"{serving.served_name}/{path}": text for path, text in files.items()}
    return named | _alias_files(serving, signature)


def _python_files(serving: Serving, signature: Signature) -> dict[str, str]:
    return {"config.pbtxt": python_config(serving, signature), "1/model.py": model_py(serving.task)}


def _vllm_files(serving: Serving, signature: Signature) -> dict[str, str]:
    arguments = {**(serving.vllm_arguments or {}), "model": str(serving.weights)}
    return {
        "config.pbtxt": vllm_config(serving, signature),
        "1/model.json": json.dumps(arguments, indent=2, sort_keys=True) + "\n",
    }


def _alias_files(serving: Serving, signature: Signature) -> dict[str, str]:
    if serving.alias is None:
        return {}
    return {
        f"{serving.alias}/config.pbtxt": alias_config(serving.alias, serving, signature),
        # Triton wants a version's folder, and finds nothing to load in it.
        f"{serving.alias}/1/.ensemble": "",
    }


def model_py(task: Task) -> str:
    """Return the file in which Triton looks for the class `TritonPythonModel`."""
    return (
        '"""Triton\'s Python backend imports this file; the model itself is in the package."""\n\n'
        f"from {_BACKENDS[task]} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )
