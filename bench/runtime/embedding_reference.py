"""`python -m bench.runtime.embedding_reference FOLDER`: transformers, used as sentence-transformers uses it.

A batch is padded to its longest text; vectors are means over a text's own tokens, of length 1. Answers calls.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from bench.runtime.calls import answer_calls
from bench.runtime.workload import cut

_DTYPES = {"BFloat16": torch.bfloat16, "Float32": torch.float32}


@dataclass(frozen=True, slots=True)
class Reference:
    """A model in each dtype, and the call."""

    models: Mapping[str, Any]
    tokenizer: Any

    def embed(self, texts: list[str], batch: int, dtype: str) -> dict[str, Any]:
        """Embed texts, so many at a time; return the seconds from texts to vectors, and the vectors."""
        model, begin = self.models[dtype], time.perf_counter()
        parts = [self._embed(model, part) for part in cut(texts, batch)]
        return {"seconds": time.perf_counter() - begin, "vectors": torch.cat(parts).tolist()}

    def _embed(self, model: Any, texts: list[str]) -> Tensor:  # noqa: ANN401 - the library has no types
        tokens = self.tokenizer(texts, return_tensors="pt", padding=True)
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state.float()
            real = tokens["attention_mask"][..., None]
            return torch.nn.functional.normalize((hidden * real).sum(dim=1) / real.sum(dim=1), dim=1)


def main(arguments: Sequence[str]) -> int:
    """Load the models and answer calls."""
    (folder,) = arguments
    models = {name: AutoModel.from_pretrained(folder, dtype=dtype).eval() for name, dtype in _DTYPES.items()}
    answer_calls({"embed": Reference(models, AutoTokenizer.from_pretrained(folder)).embed})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
