"""How the folder of sentence-transformers makes one vector of a text's token vectors, and what of it is refused.

Without torch, as `bert_config`. Called by `bert.load` and by `model_runtime.loadable`.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from model_runtime.engines.config import read_json_if_present
from model_runtime.engines.errors import InvalidModelError, UnsupportedModelError

POOLING_NAME = "1_Pooling/config.json"


class PoolingMode(Enum):
    """Which token vectors make the text's vector; the value is the field of 1_Pooling/config.json."""

    MEAN = "pooling_mode_mean_tokens"
    CLS = "pooling_mode_cls_token"


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a text's vector is made; `max_tokens` is what the folder says a text may have, None where it says nothing."""

    mode: PoolingMode
    normalize: bool
    max_tokens: int | None


# What a folder without modules.json gets: the common recipe for sentence embeddings.
DEFAULT_POOLING = Pooling(mode=PoolingMode.MEAN, normalize=True, max_tokens=None)


_MODULES = ("Transformer", "Pooling", "Normalize")


def read_pooling(folder: Path) -> Pooling:
    """Return the pooling of a model's folder, as `parse_pooling`."""
    return parse_pooling(
        *(read_json_if_present(folder / name) for name in ("modules.json", POOLING_NAME, "sentence_bert_config.json"))
    )


def parse_pooling(modules: object, pooling: object, limits: object) -> Pooling:
    """Return the pooling that the three documents ask for, each None where the folder has none.

    Raises UnsupportedModelError, which names a module or mode the engine does not have, or InvalidModelError.
    """
    if modules is None:
        return DEFAULT_POOLING
    kinds = _read_modules(modules)
    if kinds.get("Pooling") != POOLING_NAME.partition("/")[0]:
        raise UnsupportedModelError(f"modules.json: pooling is in {kinds.get('Pooling')!r}; supported: '1_Pooling'")
    return Pooling(mode=_read_mode(pooling), normalize="Normalize" in kinds, max_tokens=_read_limit(limits))


def _read_modules(modules: object) -> dict[str, object]:
    """Return the paths of the modules by the last part of their type."""
    if not isinstance(modules, list) or not all(
        isinstance(module, dict) and isinstance(module.get("type"), str) for module in modules
    ):
        raise InvalidModelError("modules.json: expected a list of modules with their type")
    kinds = {module["type"].rsplit(".", 1)[-1]: module.get("path") for module in modules}
    if unknown := sorted(kinds.keys() - set(_MODULES)):
        raise UnsupportedModelError(f"modules.json: module {unknown[0][:80]!r}; supported: {', '.join(_MODULES)}")
    return kinds


def _read_mode(config: object) -> PoolingMode:
    if not isinstance(config, dict):
        raise InvalidModelError(f"{POOLING_NAME}: the file is missing or no object; modules.json asks for pooling")
    chosen = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    for mode in PoolingMode:
        if chosen == [mode.value]:
            return mode
    wanted = " or ".join(mode.value for mode in PoolingMode)
    raise UnsupportedModelError(f"{POOLING_NAME}: modes {chosen}; supported: one of {wanted}")


def _read_limit(limits: object) -> int | None:
    """Return the longest text in tokens; a text would have to be changed before it is cut into tokens, never is."""
    if limits is None:
        return None
    if not isinstance(limits, dict):
        raise InvalidModelError("sentence_bert_config.json: expected an object")
    if limits.get("do_lower_case"):
        raise UnsupportedModelError("sentence_bert_config.json: do_lower_case is set; supported: false")
    longest = limits.get("max_seq_length")
    if longest is not None and (type(longest) is not int or longest < 1):
        raise InvalidModelError(f"sentence_bert_config.json: max_seq_length is {longest!r}; expected 1 or more")
    return longest
