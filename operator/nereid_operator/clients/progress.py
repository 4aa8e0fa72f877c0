"""GET /progress of a pod's `prepare`: the one thing that the operator asks pods. Called by fetches.py.

What a pod answers is not trusted: it is short, comes within a second, and is checked field by field.
"""

import aiohttp
import orjson

from nereid_operator.progress import FetchProgress, fetch_progress
from nereid_operator.render.ports import PROGRESS_PORT

ANSWER_SECONDS = 1.0
_MOST_BYTES = 4096


class ProgressClient:
    """Asks pods by their address; to be closed."""

    def __init__(self, port: int = PROGRESS_PORT) -> None:
        self._port = port
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            trust_env=False,
            # A few packed bytes may be many megabytes.
            auto_decompress=False,
        )

    async def read(self, address: str) -> FetchProgress | None:
        """Return how far the pod is; None when it does not tell."""
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.get(f"http://{host}:{self._port}/progress", allow_redirects=False) as answer:
                if answer.status != 200:
                    return None
                content = await answer.content.readexactly(min(answer.content_length or 0, _MOST_BYTES))
                return fetch_progress(orjson.loads(content))
        except (TimeoutError, aiohttp.ClientError, EOFError, ValueError):
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
