"""Runs the application until the process is told to end, and through the end.

SIGUSR1 and SIGUSR2 move the admission on (`admission`); SIGTERM closes it, waits for the requests in flight, and only
then stops listening: whoever comes meanwhile is told to try again, and whoever waits for the port to close (the drain
of `triton`) waits for the last answer. Called by __main__.
"""

import asyncio
import contextlib
import signal

from aiohttp import web

from model_runtime.frontend.admission import Admission, State

# As many connections may wait to be accepted as come at once when a gateway opens all of its own.
_BACKLOG = 1024
# Connections that are idle, or write their last bytes, at the very end.
_CLOSING_SECONDS = 5.0


async def serve(app: web.Application, admission: Admission, host: str, port: int, last_seconds: float) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight then have `last_seconds` to end."""
    runner = web.AppRunner(
        app,
        handle_signals=False,
        handler_cancellation=True,  # a client that hangs up ends its generation
        access_log=None,
        shutdown_timeout=_CLOSING_SECONDS,
    )
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, admission.move, State.LEAVING)
    loop.add_signal_handler(signal.SIGUSR2, admission.move, State.CLOSED)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        await told.wait()
        admission.move(State.CLOSED)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(admission.idle(), last_seconds)
    finally:
        await runner.cleanup()
