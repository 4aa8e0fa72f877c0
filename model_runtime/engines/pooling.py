"""From the vectors of a text's tokens to the text's one vector, as the folder of sentence-transformers says.

`read_pooling` reads modules.json, 1_Pooling/config.json and sentence_bert_config.json; `pool` is pure. Used by `bert`.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.config import read_json, read_json_if_present
from model_runtime.engines.errors import UnsupportedModelError


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


def read_pooling(folder: Path) -> Pooling:
    """Return the pooling of a model's folder; UnsupportedModelError names a module or mode the engine does not have."""
    modules = read_json_if_present(folder / "modules.json")
    if modules is None:
        return DEFAULT_POOLING
    kinds = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in modules}
    if unknown := sorted(kinds.keys() - {"Transformer", "Pooling", "Normalize"}):
        raise UnsupportedModelError(f"modules.json: module {unknown[0]!r}; supported: Transformer, Pooling, Normalize")
    limits = read_json_if_present(folder / "sentence_bert_config.json") or {}
    return Pooling(
        mode=_read_mode(read_json(folder / kinds.get("Pooling", "1_Pooling") / "config.json")),
        normalize="Normalize" in kinds,
        max_tokens=limits.get("max_seq_length"),
    )


def _read_mode(config: dict[str, Any]) -> PoolingMode:
    chosen = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    for mode in PoolingMode:
        if chosen == [mode.value]:
            return mode
    wanted = " or ".join(mode.value for mode in PoolingMode)
    raise UnsupportedModelError(f"1_Pooling/config.json: modes {chosen}; supported: one of {wanted}")


def pool(pooling: Pooling, tokens: Tensor) -> Tensor:
    """Return the vector of one text, [H], from its token vectors, [T, H]."""
    vector = tokens.mean(dim=0) if pooling.mode is PoolingMode.MEAN else tokens[0]
    return F.normalize(vector, dim=0) if pooling.normalize else vector
