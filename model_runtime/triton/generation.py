"""Triton's Python model for generation, decoupled, with the inputs and outputs of Triton's vLLM backend.

`execute` checks each request and hands it to the engine's scheduler, which answers from its own thread through the
request's response sender: one response per piece of text when `stream` is true, else one in all.
`model.py` of the model repository imports from here; `responses` says what the tensors are.
"""

import logging
import os
import time
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from model_runtime import termination
from model_runtime.engines import generator
from model_runtime.engines.errors import EngineError
from model_runtime.engines.kv_cache import BLOCK_TOKENS
from model_runtime.engines.sampling import parse_sampling_parameters
from model_runtime.engines.scheduler import Scheduler
from model_runtime.engines.warm_up import warm_up
from model_runtime.errors import EngineDied
from model_runtime.triton.lifeline import Lifeline
from model_runtime.triton.metrics import EngineMetrics
from model_runtime.triton.outlet import Outlet, WatchedSender
from model_runtime.triton.placing import place
from model_runtime.triton.responses import ResponseSink, farewell, read_inputs, send_error, send_nothing
from model_runtime.triton.settings import read_settings

log = logging.getLogger(__name__)

_MICROSECONDS = 1e6


class TritonPythonModel:
    """Loaded once; `execute` is called by Triton's thread and returns at once."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights and run them until they are warm; Triton reports the model ready after this."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        settings = read_settings(args)
        placement = place(settings)
        self.generator = generator.load(settings.weights, placement, settings.kv_cache_bytes)
        self._queue_seconds = settings.queue_timeout_microseconds / _MICROSECONDS
        warmth = warm_up(lambda: self.generator.warm_up_once(settings.max_active), time.monotonic)
        batcher = self.generator.batcher(settings.max_active)
        self.metrics = EngineMetrics(settings.name)
        self.scheduler = Scheduler(
            batcher, max_queued=settings.max_queued, on_death=end_process, after_step=self.metrics.update
        )
        # By the ids that clients gave; an entry is gone with the generation.
        self._sinks: WeakValueDictionary[str, ResponseSink] = WeakValueDictionary()
        self.outlet = Outlet(on_stuck=end_process)
        self.lifeline = Lifeline()
        room = f"a cache of {self.generator.blocks * BLOCK_TOKENS} tokens"
        log.info("%s is loaded: %s on %s, %s, %s", settings.name, placement.dtype, placement.device, room, warmth)

    def execute(self, requests: list[Any]) -> None:
        """Hand each request to the scheduler; a wrong one, one too many, or a farewell is answered here."""
        for request in requests:
            sender = self.outlet.watched(request.get_response_sender())
            if (left := farewell(request)) is not None:
                self._end(left)
                send_nothing(sender)
                continue
            try:
                self._submit(request, sender)
            except EngineError as error:
                send_error(sender, error)

    def _end(self, request_id: str) -> None:
        """Let the engine know, at its next step, that a request's client has left; what has ended is not known here."""
        if (sink := self._sinks.get(request_id)) is not None:
            sink.leave()

    def finalize(self) -> None:
        """Let accepted requests finish."""
        self.scheduler.close()
        self.outlet.close()
        self.lifeline.close()

    def _submit(self, request: Any, sender: WatchedSender) -> None:  # noqa: ANN401 - Triton's module has no types
        now = time.monotonic()
        inputs = read_inputs(request)
        prompt = self.generator.tokenizer.encode(inputs.text)
        sampling = parse_sampling_parameters(inputs.sampling_parameters)
        if inputs.return_cumulative_logprob and sampling.logprobs is None:
            sampling = sampling.model_copy(update={"logprobs": 0})
        sink = ResponseSink(sender, inputs, len(prompt), self.generator.tokenizer.decode_one)
        if request.request_id():
            self._sinks[request.request_id()] = sink
        self.scheduler.submit(
            self.generator.read(
                prompt,
                sampling,
                sink,
                deadline=now + request.timeout() / _MICROSECONDS if request.timeout() else None,
                start_deadline=now + self._queue_seconds if self._queue_seconds else None,
            )
        )


def end_process(error: Exception, path: Path = termination.DEFAULT_LOG) -> None:
    """Say why the engine has ended where Kubernetes reads it, and end the process: Triton's lifeline ends the rest."""
    try:
        termination.write(termination.failure(EngineDied(f"the engine has ended: {error!r:.500}")), path)
    finally:
        os._exit(1)
