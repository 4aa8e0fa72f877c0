"""One generation as a stream of Triton that is read to its end, even when nobody wants the rest.

A client that cancels a call of Triton 2.51 while an answer is on its way can end the server or stop its streams for
good (docs/decisions/0004). So who leaves says so on the stream itself: a last message on which the engine ends the
generation. Opened and left by `triton_client`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from tritonclient.utils import InferenceServerException

log = logging.getLogger(__name__)

# The engine ends a generation within a step; a stream that goes on for so long afterwards has no engine behind it.
_READ_SECONDS = 60.0

Request = dict[str, Any]  # the arguments of tritonclient's `infer`
Answer = tuple[Any, InferenceServerException | None]
Open = Callable[[AsyncIterator[Request]], Any]


class TritonStream:
    """Use: `receive` until None; `finish` when the last answer is known to have come; `leave` when it is not wanted.

    `farewell` is the message that ends the generation; without one, leaving cancels the call.
    """

    def __init__(self, open_stream: Open, request: Request, farewell: Request | None) -> None:
        self._farewell = farewell
        self._leaves: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._call = open_stream(self._requests(request))
        self._next: asyncio.Future[Answer | None] | None = None

    async def receive(self, deadline: float | None) -> Answer | None:
        """Return the next answer, None at the end; TimeoutError at the deadline, a time of the loop's clock.

        Cancelling this leaves the call as it is, which grpc's own iterator would cancel.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._call, None))
        seconds = None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
        done, _ = await asyncio.wait({self._next}, timeout=seconds)
        if not done:
            raise TimeoutError
        answer, self._next = self._next.result(), None
        return answer

    def finish(self) -> None:
        """Send nothing more, so that Triton ends the stream."""
        if not self._leaves.done():
            self._leaves.set_result(False)

    async def leave(self) -> None:
        """End the generation, and read what Triton still says of it."""
        if not self._leaves.done():
            self._leaves.set_result(True)
        try:
            async with asyncio.timeout(_READ_SECONDS if self._farewell is not None else 0):
                while await self.receive(deadline=None) is not None:
                    pass
        except grpc.aio.AioRpcError as error:
            log.info("a stream that nobody read has failed: %s", error.details())
        except TimeoutError:
            self._call.cancel()

    async def _requests(self, request: Request) -> AsyncIterator[Request]:
        yield request
        if await self._leaves and self._farewell is not None:
            yield self._farewell
