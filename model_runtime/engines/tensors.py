"""Strict names and shapes: the tensors of a folder are those its config.json implies, and no others.

Without torch. Called by `weights` for what it loads, and by `model_runtime.loadable` for what the headers name.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from model_runtime.engines.errors import InvalidModelError

Shapes = Mapping[str, tuple[int, ...]]


def check_names(found: AbstractSet[str], expected: AbstractSet[str], ignored: AbstractSet[str]) -> None:
    """Raise InvalidModelError that names the first missing or unexpected tensor."""
    if missing := sorted(expected - found):
        raise InvalidModelError(f"tensor {missing[0]} is missing ({len(missing)} in all)")
    if unexpected := sorted(found - expected - ignored):
        raise InvalidModelError(f"tensor {unexpected[0]} is not part of this architecture ({len(unexpected)} in all)")


def check_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise InvalidModelError for a tensor of another shape."""
    if shape != expected:
        raise InvalidModelError(f"tensor {name} has shape {list(shape)}; config.json implies {list(expected)}")
