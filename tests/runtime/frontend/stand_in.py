"""A Triton that does what a test tells it: gRPC with the real protocol, and a script in the place of an engine.

It runs in a thread of the test's process. `stand_in.script` says what the next requests get; `stand_in.seen` what the
requests said. `hold` lets each stream stop after its first piece until `release`.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

# What a choice says: text, tokens, and the logprobs entry of each token (the engine's own form).
Piece = tuple[str, int, list[dict[str, Any]]]
PIECES: tuple[Piece, ...] = (
    (" Paris", 1, [{"1": {"logprob": -0.25, "rank": 1, "decoded_token": " Paris"}}]),
    (
        ".é",
        2,
        [
            {
                "2": {"logprob": -1.5, "rank": 3, "decoded_token": "."},
                "3": {"logprob": -0.5, "rank": 1, "decoded_token": "!"},
                "4": {"logprob": -1.0, "rank": 2, "decoded_token": "?"},
            },
            {"5": {"logprob": -20000.0, "rank": 9, "decoded_token": "é"}},
        ],
    ),
)


@dataclass(frozen=True, slots=True)
class Script:
    """What the stand-in does; `fails` and `fails_late` are the texts of errors, before and after the first piece."""

    pieces: tuple[Piece, ...] = PIECES
    fails: str | None = None
    fails_late: str | None = None
    silent: bool = False  # takes requests and never answers
    loaded: bool = True
    digest: str | None = None
    labels: tuple[str, ...] = ("NEGATIVE", "POSITIVE")


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: its tensors as values, and the `timeout` parameter in microseconds."""

    inputs: dict[str, Any]
    timeout: int | None

    @property
    def sampling(self) -> dict[str, Any]:
        return dict(json.loads(self.inputs["sampling_parameters"]))


@dataclass(slots=True)
class StandIn:
    """The server; `address` is where it listens."""

    loop: asyncio.AbstractEventLoop
    address: str = ""
    script: Script = field(default_factory=Script)
    seen: list[Seen] = field(default_factory=list)
    running: int = 0
    cancelled: int = 0  # generations whose client has said that it leaves
    cut: int = 0  # streams that were cancelled, which a real Triton may not survive
    sent: int = 0  # pieces of streams
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.clear)

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.set)

    def reset(self) -> None:
        """Forget what an earlier test said and saw."""
        self.script, self.cancelled, self.cut, self.sent = Script(), 0, 0, 0
        self.seen.clear()
        self.release()


class _Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, state: StandIn) -> None:
        self._state = state

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=self._state.script.loaded)

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = service_pb2.ModelConfigResponse()
        answer.config.name = request.name
        if self._state.script.digest is not None:
            answer.config.parameters["digest"].string_value = self._state.script.digest
        return answer

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        seen = _read(request)
        self._state.seen.append(seen)
        if self._state.script.fails is not None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, self._state.script.fails)
        if self._state.script.silent:
            await asyncio.Event().wait()
        labels = self._state.script.labels
        probabilities = np.linspace(0.25, 0.75, len(labels), dtype=np.float32).reshape(1, -1)
        outputs = {
            "embedding": np.ones((1, 3), np.float32),
            "probabilities": probabilities,
            "label": [labels[-1]],
            "num_input_tokens": np.array([[4]], np.int32),
        }
        return _response(outputs)

    async def ModelStreamInfer(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self._state.running += 1
        generation = self._generate(_read(await anext(aiter(requests))))
        farewell = asyncio.ensure_future(anext(aiter(requests), None))
        try:
            while (response := await self._next(generation, farewell)) is not None:
                yield response
        except asyncio.CancelledError:
            self._state.cut += 1
            raise
        finally:
            farewell.cancel()
            self._state.running -= 1

    async def _next(self, generation: AsyncIterator[Any], farewell: asyncio.Future[Any]) -> Any:
        """Return the next response of a generation; None when it has ended or its client has left."""
        response = asyncio.ensure_future(anext(generation, None))
        try:
            await asyncio.wait({response, farewell}, return_when=asyncio.FIRST_COMPLETED)
            if response.done():
                return response.result()
            assert "nereid_cancel" in farewell.result().parameters, "nothing more is sent before the end"
            self._state.cancelled += 1
            return None
        finally:
            response.cancel()

    async def _generate(self, seen: Seen) -> AsyncIterator[Any]:
        script = self._state.script
        self._state.seen.append(seen)
        if script.silent:
            await asyncio.Event().wait()
        if script.fails is not None:
            yield service_pb2.ModelStreamInferResponse(error_message=script.fails)
            return
        if not seen.inputs["stream"]:
            await self._state.gate.wait()
            whole = "".join(text for text, _, _ in script.pieces)
            entries = [entry for _, _, entries in script.pieces for entry in entries]
            yield _piece(seen, (whole, sum(tokens for _, tokens, _ in script.pieces), entries), "stop")
            return
        for number, piece in enumerate(script.pieces, start=1):
            self._state.sent += 1
            yield _piece(seen, piece, "stop" if number == len(script.pieces) else "None")
            if number == 1 and script.fails_late is not None:
                yield service_pb2.ModelStreamInferResponse(error_message=script.fails_late)
                return
            await self._state.gate.wait()


def _read(request: Any) -> Seen:
    values = {
        tensor.name: content[4:] if tensor.datatype == "BYTES" else bool(content[0])
        for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True)
    }
    timeout = request.parameters["timeout"].int64_param if "timeout" in request.parameters else None
    return Seen(values, timeout)


def _piece(seen: Seen, piece: Piece, reason: str) -> Any:
    text, tokens, entries = piece
    outputs: dict[str, Any] = {
        "text_output": [text],
        "finish_reason": [reason],
        "num_input_tokens": np.array([3], np.uint32),
        "num_output_tokens": np.array([tokens], np.uint32),
    }
    if seen.inputs.get("return_logprobs"):
        outputs["logprobs"] = [json.dumps(entries)]
    return service_pb2.ModelStreamInferResponse(infer_response=_response(outputs))


_DATATYPES = {"float32": "FP32", "int32": "INT32", "uint32": "UINT32"}


def _response(outputs: dict[str, Any]) -> Any:
    answer = service_pb2.ModelInferResponse()
    for name, value in outputs.items():
        tensor = answer.outputs.add()
        tensor.name = name
        if isinstance(value, list):
            texts = [text.encode() for text in value]
            tensor.datatype, content = "BYTES", b"".join(len(one).to_bytes(4, "little") + one for one in texts)
            tensor.shape.append(len(texts))
        else:
            tensor.datatype, content = _DATATYPES[str(value.dtype)], value.tobytes()
            tensor.shape.extend(value.shape)
        answer.raw_output_contents.append(content)
    return answer


@contextmanager
def stand_in_triton() -> Iterator[StandIn]:
    """Run a stand-in until the block ends."""
    loop = asyncio.new_event_loop()
    state, started, ended = StandIn(loop), threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Servicer(state), server)
        state.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        state.gate.set()
        await server.start()
        started.set()
        await ended.wait()
        await server.stop(grace=None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="stand-in")
    thread.start()
    started.wait()
    try:
        yield state
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        with contextlib.suppress(RuntimeError):
            loop.close()
