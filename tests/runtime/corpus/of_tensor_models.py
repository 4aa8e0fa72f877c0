"""Classifiers and tensor models: what passes, and what of their config.json, tensors and files is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

from model_runtime.errors import (
    InvalidConfig,
    InvalidModel,
    PermanentError,
    PickledWeights,
    RemoteCode,
    UnsupportedArchitecture,
)
from model_runtime.verify import Task
from tests.runtime.corpus.building import WEIGHTS, classifier, safetensors, tensor_model, with_files
from tests.runtime.corpus.rows import Bad, Files, Good

Row = tuple[str, Callable[[], Files], type[PermanentError], str]
CLASSIFICATION, TENSOR = Task.CLASSIFICATION, Task.TENSOR
PICKLE = b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94."
LINEAR = {"type": "Linear", "weight": "w"}

# Each layer is twice as wide as the one before.
DOUBLED = [LINEAR, *({"type": "Concat", "inputs": [f"layer{i}", f"layer{i}"]} for i in range(30))]


def layers(*layers: dict[str, Any]) -> Any:
    return partial(tensor_model, layers=list(layers))


def ports(**fields: object) -> Any:
    return partial(tensor_model, inputs=[{"name": "x", "dtype": "Float32", "shape": [-1, 4]} | fields])


GOOD = [
    Good("a classifier", classifier, CLASSIFICATION),
    Good("a classifier without names", partial(classifier, id2label=None), CLASSIFICATION),
    Good("a tensor model, which has no tokenizer", tensor_model, TENSOR),
    Good("a tensor model of several layers", layers({"type": "Tanh"}, LINEAR, {"type": "Softmax"}), TENSOR),
    Good("a tensor model that says more of itself", partial(tensor_model, model_type="mlp", dtype="float32"), TENSOR),
]
NO_TOKENIZER = with_files({"tokenizer.json": None}, classifier)
CODE = {"AutoModel": "modeling.Model"}
CLASSIFIERS: list[Row] = [
    ("labels with a gap", partial(classifier, id2label={"0": "a", "2": "b"}), InvalidConfig, "id2label"),
    ("a label too many", partial(classifier, num_labels=3, id2label=None), InvalidModel, "classifier.weight has shape"),
    ("a regression", partial(classifier, problem_type="regression"), UnsupportedArchitecture, "problem_type"),
    ("a classifier without tokenizer", NO_TOKENIZER, InvalidModel, "tokenizer.json is missing"),
    ("a classifier with its own code", partial(classifier, auto_map=CODE), RemoteCode, "auto_map"),
]
LATER = layers(LINEAR | {"input": "later"}, {"type": "Tanh", "name": "later"})
MORE = with_files({WEIGHTS: safetensors({"w": (2, 4), "v": (1,)}, "F32")}, tensor_model)
PICKLED = with_files({"tokenizer.json": PICKLE}, tensor_model)
TENSOR_MODELS: list[Row] = [
    ("a layer of code", layers({"type": "Lambda", "code": "import os"}), InvalidConfig, "type is 'Lambda'"),
    ("a layer with code besides", layers(LINEAR | {"hook": "os.system"}), InvalidConfig, "'hook' is not a field"),
    ("a tensor model with its own code", partial(tensor_model, auto_map=CODE), RemoteCode, "auto_map"),
    ("a layer that takes what comes later", LATER, InvalidConfig, "'later'"),
    ("layers without end", layers(*[{"type": "Tanh"}] * 10_001), InvalidConfig, "a list of 1 to 10000"),
    ("a value without end", layers(*DOUBLED), InvalidConfig, "its result is [536870912]; expected at most"),
    ("an input without end", ports(shape=[-1, 1 << 40]), InvalidConfig, "shape is"),
    ("an input of texts", ports(dtype="String"), InvalidConfig, "dtype is 'String'"),
    ("an input named as a path", ports(name="../x"), InvalidConfig, "name is '../x'"),
    ("rows that the weights do not take", ports(shape=[-1, 5]), InvalidModel, "expected shape [2, 5]"),
    ("a tensor that no layer wants", MORE, InvalidModel, "tensor v is not part"),
    ("a tensor that is not there", layers(LINEAR | {"bias": "b"}), InvalidModel, "tensor b is missing"),
    ("a pickle for a tokenizer that nobody reads", PICKLED, PickledWeights, "tokenizer.json"),
]
BAD = [
    *(Bad(*row, CLASSIFICATION) for row in CLASSIFIERS),
    *(Bad(*row, TENSOR) for row in TENSOR_MODELS),
    Bad("a tensor model to chat with", tensor_model, UnsupportedArchitecture, "supported is Tensor", Task.CHAT),
]
