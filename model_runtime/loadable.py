"""Would the engine load this model? Asked with the engine's own checks, before a replica exists that could not start.

Pure, and without torch. Called by `verify.examine`, so by `resolve` and `prepare`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from model_runtime.documents import Documents
from model_runtime.engines import bert_config, classifier_config, llama_config, tensor_config
from model_runtime.engines.errors import InvalidConfigError, InvalidModelError, UnsupportedModelError
from model_runtime.engines.pooling_config import parse_pooling
from model_runtime.engines.special_tokens import parse_special_tokens
from model_runtime.engines.tensor_config import Interface
from model_runtime.engines.tensors import Shapes, check_names, check_shape
from model_runtime.errors import InvalidConfig, InvalidModel, UnsupportedArchitecture
from model_runtime.footprint import Footprint, llama_footprint, stateless_footprint
from model_runtime.safetensors_header import Tensor


def check_llama(documents: Documents, tensors: Iterable[Tensor]) -> Footprint:
    """Check what `llama.load` checks, and return what it would take.

    Raises:
        UnsupportedArchitecture: a setting the engine has no code for.
        InvalidConfig: a value that no model can have.
        InvalidModel: sizes and tensors do not fit together.

    """
    with _reasons():
        sizes = llama_config.read_config(documents.config)
        shapes = llama_config.expected_shapes(sizes)
        _check_tensors(tensors, shapes, llama_config.ignored_tensors(sizes))
        parse_special_tokens(documents.tokenizer_config, documents.generation, documents.config)
    return llama_footprint(sizes, shapes)


def check_bert(documents: Documents, tensors: Iterable[Tensor]) -> Footprint:
    """Check what `bert.load` checks; returns and raises as `check_llama`."""
    with _reasons():
        parse_pooling(documents.modules, documents.pooling, documents.sentence)
        sizes = bert_config.read_config(documents.config)
        shapes = bert_config.expected_shapes(sizes)
        _check_tensors(tensors, shapes, bert_config.IGNORED)
        parse_special_tokens(documents.tokenizer_config, documents.generation, documents.config)
    return stateless_footprint(shapes)


def check_classifier(documents: Documents, tensors: Iterable[Tensor]) -> Footprint:
    """Check what `classifier.load` checks; returns and raises as `check_llama`."""
    with _reasons():
        sizes = classifier_config.read_config(documents.config)
        shapes = classifier_config.expected_shapes(sizes)
        _check_tensors(tensors, shapes, classifier_config.ignored_tensors(sizes))
        parse_special_tokens(documents.tokenizer_config, documents.generation, documents.config)
    return stateless_footprint(shapes)


def check_tensor_model(documents: Documents, tensors: Iterable[Tensor]) -> Footprint:
    """Check what `tensor_model.load` checks; returns and raises as `check_llama`."""
    found = {tensor.name: tensor.shape for tensor in tensors}
    with _reasons():
        tensor_config.check(tensor_config.read_config(documents.config), found)
    return stateless_footprint(found)


def read_interface(documents: Documents) -> Interface:
    """Return the inputs and outputs of a tensor model that `check_tensor_model` has passed."""
    return tensor_config.read_config(documents.config).interface


def _check_tensors(tensors: Iterable[Tensor], expected: Shapes, ignored: Iterable[str]) -> None:
    found = {tensor.name: tensor.shape for tensor in tensors}
    check_names(found.keys(), expected.keys(), set(ignored))
    for name, shape in expected.items():
        check_shape(name, found[name], shape)


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn the engine's refusals into the reasons of the command-line contract."""
    try:
        yield
    except UnsupportedModelError as error:
        raise UnsupportedArchitecture(str(error)) from error
    except InvalidConfigError as error:
        raise InvalidConfig(str(error)) from error
    except InvalidModelError as error:
        raise InvalidModel(str(error)) from error
