"""Reads config.json and its neighbours, and picks typed fields out of them. Called by the model files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_runtime.engines.errors import InvalidModelError, UnsupportedModelError

Config = Mapping[str, Any]


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
    """Return a required size of config.json; InvalidModelError names the field, its value and the type wanted."""
    value = config.get(name)
    if type(value) is not kind or not value > 0:
        raise InvalidModelError(f"config.json: {name} is {value!r}; expected {kind.__name__} above zero")
    return value


def require(config: Config, name: str, allowed: tuple[object, ...]) -> None:
    """Refuse a setting that the model code does not have; an absent field is the first of the allowed values."""
    value = config.get(name, allowed[0])
    if value not in allowed:
        wanted = " or ".join(repr(choice) for choice in allowed)
        raise UnsupportedModelError(f"config.json: {name} is {value!r}; supported: {wanted}")
