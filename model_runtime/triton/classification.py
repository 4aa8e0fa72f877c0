"""Triton's Python model for classification: `text_input` [batch, 1] -> `probabilities` [batch, C], `label` [batch, 1].

`label` is the name of the most likely one, `num_input_tokens` counts the text's tokens. All texts of a batch of
requests run in one pass. `model.py` of the model repository imports `TritonPythonModel` from here.
"""

import logging
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from model_runtime.engines import classifier
from model_runtime.engines.tokenizer import load_tokenizer
from model_runtime.engines.warm_up import warm_up
from model_runtime.triton.batches import Texts, answer, read_texts, split, token_counts
from model_runtime.triton.lifeline import Lifeline
from model_runtime.triton.placing import place
from model_runtime.triton.settings import read_settings
from model_runtime.triton.tensors import Array
from model_runtime.triton.text_warm_up import warm_up_texts

log = logging.getLogger(__name__)


class TritonPythonModel:
    """Loaded once per instance; `execute` is called by Triton's thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights and run them until they are steady; Triton reports the model ready after this."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        settings = read_settings(args)
        placement = place(settings)
        self.model = classifier.load(settings.weights, placement)
        self.tokenizer = load_tokenizer(settings.weights)
        self.labels = np.array([label.encode() for label in self.model.config.labels], dtype=np.object_)
        shapes = warm_up_texts(self.model.context, settings.max_batch_size)
        warmth = warm_up(lambda: [classifier.classify(self.model, texts) for texts in shapes], time.monotonic)
        self.lifeline = Lifeline()
        log.info("%s is loaded: %s on %s, %s", settings.name, placement.dtype, placement.device, warmth)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer a batch of requests, one response each, in order."""
        return answer(
            requests,
            lambda request: read_texts(self.tokenizer, self.model.context, request),
            self._classify,
            self._outputs,
        )

    def finalize(self) -> None:
        """Let Triton end in peace."""
        self.lifeline.close()

    def _classify(self, requests: Sequence[Texts]) -> list[Array]:
        probabilities = classifier.classify(self.model, list(chain.from_iterable(requests))).numpy()
        return split(probabilities, [len(texts) for texts in requests])

    def _outputs(self, texts: Texts, probabilities: Array) -> list[Any]:
        likeliest = self.labels[probabilities.argmax(axis=1)]
        return [
            pb_utils.Tensor("probabilities", probabilities),
            pb_utils.Tensor("label", likeliest[:, None]),
            token_counts(texts),
        ]
