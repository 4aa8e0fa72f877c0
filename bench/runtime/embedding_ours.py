"""`python -m bench.runtime.embedding_ours FOLDER`: the engine's encoder, called without Triton; answers calls."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.runtime.calls import answer_calls
from bench.runtime.workload import cut
from model_runtime.engines.bert import Bert, embed, load
from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.placement import choose_placement
from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer


@dataclass(frozen=True, slots=True)
class Engine:
    """A model in each dtype, and the call."""

    models: Mapping[str, Bert]
    tokenizer: Tokenizer

    def embed(self, texts: list[str], batch: int, dtype: str) -> dict[str, Any]:
        """Embed texts, so many at a time; return the seconds from texts to vectors, and the vectors."""
        model, begin = self.models[dtype], time.perf_counter()
        parts = [embed(model, [self.tokenizer.encode(text) for text in part]) for part in cut(texts, batch)]
        return {"seconds": time.perf_counter() - begin, "vectors": torch.cat(parts).tolist()}


def main(arguments: Sequence[str]) -> int:
    """Load the models and answer calls."""
    folder = Path(arguments[0])
    models = {
        dtype.value: load(folder, choose_placement(Device.CPU, dtype, stored=torch.float32))
        for dtype in (Dtype.BFLOAT16, Dtype.FLOAT32)
    }
    answer_calls({"embed": Engine(models, load_tokenizer(folder)).embed})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
