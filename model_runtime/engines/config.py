"""Reads config.json and its neighbours, and picks typed fields out of them. Called by the model files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_runtime.engines.errors import InvalidConfigError, InvalidModelError, UnsupportedModelError

Config = Mapping[str, Any]


# Each about ten times what the largest published models have; above, memory would be taken for what cannot be meant.
_MOST: Mapping[str, int | float] = {
    "hidden_size": 1 << 18,
    "dim": 1 << 18,
    "intermediate_size": 1 << 20,
    "hidden_dim": 1 << 20,
    "num_hidden_layers": 2_000,
    "n_layers": 2_000,
    "num_attention_heads": 4_096,
    "n_heads": 4_096,
    "num_key_value_heads": 4_096,
    "head_dim": 8_192,
    "vocab_size": 1 << 22,
    "max_position_embeddings": 1 << 27,
    "type_vocab_size": 1_024,
    "rms_norm_eps": 0.1,
    "layer_norm_eps": 0.1,
    "rope_theta": 1e12,
    "factor": 1e6,
    "low_freq_factor": 1e6,
    "high_freq_factor": 1e6,
    "original_max_position_embeddings": 1 << 27,
    "sliding_window": 1 << 27,
}


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Parse a JSON file of the model; InvalidModelError if it is missing or malformed."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidModelError(f"{path.name}: the file is missing") from error
    except ValueError as error:
        raise InvalidModelError(f"{path.name}: not JSON: {error}") from error


def read_json_if_present(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Parse a JSON file of the model, or return None where the folder has none."""
    return read_json(path) if path.exists() else None


def field(config: Config, name: str, kind: type[int] | type[float]) -> Any:  # noqa: ANN401 - of the kind asked for
    """Return a required size of config.json; InvalidConfigError names the field, its value and what is wanted."""
    return _bounded(name, config.get(name), (kind,))


def number(config: Config, name: str, default: float) -> float:
    """Return a number that may be written without a fraction, and be left out; InvalidConfigError as `field`."""
    value = config.get(name)
    return default if value is None else float(_bounded(name, value, (int, float)))


def _bounded(name: str, value: Any, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - of one of the kinds
    # Exact types: true is an int to Python. NaN is not above zero.
    if type(value) not in kinds or not 0 < value <= _MOST[name]:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidConfigError(
            f"config.json: {name} is {value!r:.80}; expected {wanted} above 0, at most {_MOST[name]}"
        )
    return value


def flag(config: Config, name: str) -> bool:
    """Return a setting that is true, or false where it is left out or null; InvalidConfigError for anything else."""
    value = config.get(name)
    if value is not None and type(value) is not bool:
        raise InvalidConfigError(f"config.json: {name} is {value!r:.80}; expected true or false")
    return bool(value)


def require(config: Config, name: str, allowed: tuple[object, ...]) -> None:
    """Refuse a setting that the model code does not have; an absent field is the first of the allowed values."""
    value = config.get(name, allowed[0])
    if value not in allowed:
        wanted = " or ".join(repr(choice) for choice in allowed)
        raise UnsupportedModelError(f"config.json: {name} is {value!r:.80}; supported: {wanted}")
