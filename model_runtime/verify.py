"""What a model says of itself, checked: config.json, the shards and their index, the architecture and the task.

Pure functions over parsed documents and headers; `inspection` calls them with what it read.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from model_runtime.documents import Documents
from model_runtime.engines import llama_config
from model_runtime.engines.tensor_config import Interface
from model_runtime.errors import InvalidModel, InvalidTensors, UnsafePath, UnsupportedArchitecture
from model_runtime.footprint import Footprint
from model_runtime.loadable import check_bert, check_classifier, check_llama, check_tensor_model, read_interface
from model_runtime.manifest import check_path
from model_runtime.safetensors_header import Tensor
from model_runtime.selection import INDEX_NAME, WEIGHTS_NAME, is_gguf


class Task(StrEnum):
    """What a model is served for; `Auto` is only asked for, never the answer."""

    AUTO = "Auto"
    CHAT = "Chat"
    COMPLETION = "Completion"
    EMBEDDING = "Embedding"
    CLASSIFICATION = "Classification"
    TENSOR = "Tensor"


SUPPORTED_TASKS: Mapping[str, frozenset[Task]] = {
    "BertForSequenceClassification": frozenset({Task.CLASSIFICATION}),
    "BertModel": frozenset({Task.EMBEDDING}),
    "DistilBertForSequenceClassification": frozenset({Task.CLASSIFICATION}),
    "DistilBertModel": frozenset({Task.EMBEDDING}),
    **dict.fromkeys(sorted(llama_config.FAMILIES), frozenset({Task.CHAT, Task.COMPLETION})),
    "RobertaForSequenceClassification": frozenset({Task.CLASSIFICATION}),
    "RobertaModel": frozenset({Task.EMBEDDING}),
    "TensorModel": frozenset({Task.TENSOR}),
    "XLMRobertaForSequenceClassification": frozenset({Task.CLASSIFICATION}),
    "XLMRobertaModel": frozenset({Task.EMBEDDING}),
}
_CHECKS: Mapping[Task, Callable[[Documents, Iterable[Tensor]], Footprint]] = {
    Task.CHAT: check_llama,
    Task.COMPLETION: check_llama,
    Task.EMBEDDING: check_bert,
    Task.CLASSIFICATION: check_classifier,
    Task.TENSOR: check_tensor_model,
}
SUPPORTED_DTYPES: Mapping[str, str] = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the model is: architecture by config.json's name, the task it is served for, dtype of most of its bytes.

    `interface` is what a tensor model takes and gives; the tasks with texts have their own.
    """

    architecture: str
    task: Task
    dtype: str
    footprint: Footprint
    interface: Interface | None = None


def examine(task: Task, paths: Collection[str], documents: Documents, headers: Mapping[str, Sequence[Tensor]]) -> Facts:
    """Say what the model is, or refuse it. `headers` are the tensors by safetensors file.

    Raises:
        UnsupportedArchitecture: no engine runs it, or not for this task.
        InvalidModel: documents, files and tensors do not fit together.

    """
    check_shards(documents.index, headers)
    architecture = architecture_of(documents.config)
    tensors = list(chain.from_iterable(headers.values()))
    served = task_of(task, architecture, has_chat_template=has_chat_template(paths, documents.tokenizer_config))
    dtype = dtype_of(tensors)
    footprint = _CHECKS[served](documents, tensors)
    interface = read_interface(documents) if served is Task.TENSOR else None
    return Facts(architecture, served, dtype, footprint, interface)


def architecture_of(config: object) -> str:
    """Return the architecture that config.json names, if it can be run from tensors alone.

    Raises:
        InvalidModel: no architecture in it.
        UnsupportedArchitecture: another architecture, or quantized weights.

    """
    match config:
        case {"quantization_config": {"quant_method": method}}:
            raise UnsupportedArchitecture(f"config.json: weights quantized by {method!r}: expected unquantized weights")
        case {"architectures": [str(architecture), *_]}:
            pass
        case _:
            raise InvalidModel("config.json: architectures: expected a list that names the model's class")
    if architecture not in SUPPORTED_TASKS:
        raise UnsupportedArchitecture(f"{architecture[:80]}: supported are {', '.join(sorted(SUPPORTED_TASKS))}")
    return architecture


def has_chat_template(paths: Collection[str], tokenizer_config: object) -> bool:
    """Tell whether the model brings a chat template, in a file of its own or in tokenizer_config.json."""
    if {"chat_template.jinja", "chat_template.json"} & set(paths):
        return True
    match tokenizer_config:
        case {"chat_template": str(template)} if template:
            return True
        case {"chat_template": [*templates]}:
            return any(isinstance(one, dict) and one.get("name") == "default" for one in templates)
        case _:
            return False


def task_of(task: Task, architecture: str, *, has_chat_template: bool) -> Task:
    """Return the task that the model is served for; Auto takes Chat before Completion when there is a template.

    Raises:
        UnsupportedArchitecture: the architecture is not served for the task asked for.
        InvalidModel: Chat without a chat template.

    """
    supported = SUPPORTED_TASKS[architecture]
    if task is Task.AUTO and Task.CHAT in supported:
        return Task.CHAT if has_chat_template else Task.COMPLETION
    if task is Task.AUTO:
        return next(iter(supported))
    if task not in supported:
        raise UnsupportedArchitecture(f"{architecture} for task {task}: supported is {' or '.join(sorted(supported))}")
    if task is Task.CHAT and not has_chat_template:
        raise InvalidModel("task Chat: expected a chat template in tokenizer_config.json or chat_template.jinja")
    return task


def dtype_of(tensors: Sequence[Tensor]) -> str:
    """Return the dtype of most of the bytes: float32, bfloat16 or float16.

    Raises:
        InvalidModel: there are no tensors.
        UnsupportedArchitecture: most bytes are of another dtype.

    """
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.size
    if not sizes:
        raise InvalidModel("the weights hold no tensors")
    dtype = sizes.most_common(1)[0][0]
    if dtype not in SUPPORTED_DTYPES:
        raise UnsupportedArchitecture(f"weights of dtype {dtype}: supported are {', '.join(SUPPORTED_DTYPES)}")
    return SUPPORTED_DTYPES[dtype]


def check_shards(index: object, headers: Mapping[str, Sequence[Tensor]]) -> None:
    """Check that each tensor is in one file only, and that the index, if there is one, names the same files.

    Raises:
        UnsafePath: the index points out of the folder.
        InvalidTensors: a tensor that is there twice.
        InvalidModel: a missing or unlisted shard, or weights both in one file and in shards.

    """
    if WEIGHTS_NAME in headers and len(headers) > 1:
        raise InvalidModel(f"{WEIGHTS_NAME} is there and shards are too: expected either of them")
    owners: dict[str, str] = {}
    for path, tensors in headers.items():
        for tensor in tensors:
            if tensor.name in owners:
                raise InvalidTensors(f"tensor {tensor.name[:80]!r} is both in {owners[tensor.name]} and in {path}")
            owners[tensor.name] = path
    if index is None:
        if owners and set(headers) != {WEIGHTS_NAME} and not all(map(is_gguf, headers)):
            raise InvalidModel(f"{INDEX_NAME} is missing: expected it beside weights in several files")
        return
    match index:
        case {"weight_map": dict(weight_map)} if all(isinstance(path, str) for path in weight_map.values()):
            pass
        case _:
            raise InvalidModel(f"{INDEX_NAME}: expected weight_map, tensor names with their files")
    _check_paths(set(weight_map.values()))
    if weight_map != owners:
        name = min(name for name in weight_map.keys() | owners.keys() if weight_map.get(name) != owners.get(name))
        raise InvalidModel(
            f"{INDEX_NAME}: tensor {name[:80]!r} is listed in {weight_map.get(name)}: it is in {owners.get(name)}"
        )


def _check_paths(paths: Collection[str]) -> None:
    for path in paths:
        try:
            check_path(path)
        except UnsafePath as error:
            raise UnsafePath(f"{INDEX_NAME}: {error}") from error
