"""Two servers on loopback: a model that answers OpenAI chats, and an API server in front of it.

The API server gives stored objects by path, and forwards ports over a websocket with the channels of
`v4.channel.k8s.io`: two for each port, data and error, each opened by the port's number in two bytes.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import WSMsgType, web

Json = dict[str, Any]
_DATA, _ERROR = b"\x00", b"\x01"


@dataclass
class Model:
    """What the model says next, and what it was asked."""

    answers: list[list[str]] = field(default_factory=list)
    asked: list[Json] = field(default_factory=list)
    ending: str = "data: [DONE]\n\n"
    refusal: tuple[int, str] | None = None

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if self.refusal:
            return web.Response(status=self.refusal[0], text=self.refusal[1])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in (None, *self.answers.pop(0)):
            delta = {"role": "assistant"} if piece is None else {"content": piece}
            await response.write(f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode())
        await response.write(self.ending.encode())
        return response


@asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[int]:
    """Serve on a free port as long as the block runs."""
    app = web.Application()
    app.add_routes(routes)
    # A client that ends waits for the last words of a websocket; nobody waits for the client.
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass
class ApiServer:
    """Objects by path; `forward_to` is the port that stands for every port of every pod."""

    objects: dict[str, Json] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    forward_to: int = 0
    requests: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        if request.path.endswith("/portforward") and request.path not in self.refused:
            return await self._forward(request)
        if request.path.endswith("/log"):
            return web.Response(text="the last line\n")
        status = self.refused.get(request.path)
        if status is None and request.path in self.objects:
            return web.json_response(self.objects[request.path])
        message = f"{request.path} is forbidden to this user" if status == 403 else f"{request.path} not found"
        return web.json_response({"kind": "Status", "message": message}, status=status or 404)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await websocket.prepare(request)
        port = struct.pack("<H", int(request.query["ports"]))
        await websocket.send_bytes(_DATA + port)
        await websocket.send_bytes(_ERROR + port)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.forward_to)
        except OSError as error:
            await websocket.send_bytes(_ERROR + str(error).encode())
            return websocket
        answering = asyncio.create_task(_pump(reader, websocket))
        try:
            async for message in websocket:
                if message.type is WSMsgType.BINARY and message.data[:1] == _DATA:
                    writer.write(message.data[1:])
        finally:
            answering.cancel()
            writer.close()
            await writer.wait_closed()
        return websocket

    def kubeconfig(self, port: int, *, namespace: str = "default") -> str:
        """Return the text of a kubeconfig for this server on a port."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
            }
        )


async def _pump(reader: asyncio.StreamReader, websocket: web.WebSocketResponse) -> None:
    while data := await reader.read(65536):
        await websocket.send_bytes(_DATA + data)
