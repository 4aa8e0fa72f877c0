"""A control plane, real Envoys that ask it, and a forwarder between them that can be cut and pointed elsewhere."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from nereid_operator.xds.access_log import AccessLog
from nereid_operator.xds.ads import AdsServer
from nereid_operator.xds.certificates import Certificates, Pair, Subjects, renewed
from nereid_operator.xds.identity import gateway_uri
from nereid_operator.xds.load_reports import LoadReports
from nereid_operator.xds.observations import Observations
from nereid_operator.xds.server import TlsFiles, XdsServer
from nereid_operator.xds.session import Refusal
from tests.binaries import envoy
from tests.stack.ports import free_port

NAMESPACE = "nereid-system"
SERVER_NAME = f"nereid-xds.{NAMESPACE}.svc"
SUBJECTS = Subjects(SERVER_NAME, gateway_uri(NAMESPACE))


def certificates(subjects: Subjects = SUBJECTS) -> Certificates:
    return renewed(Certificates(), subjects, datetime.now(UTC))


def server_tls(made: Certificates) -> TlsFiles:
    pair = made.server or Pair("", "")
    return TlsFiles(pair.certificate.encode(), pair.key.encode(), made.bundle.encode())


async def eventually(what: str, probe: Callable[[], object], *, seconds: float = 15.0) -> None:
    """Return when `probe` is true; TimeoutError names what was awaited."""

    async def asked() -> object:
        return probe()

    await eventually_async(what, asked, seconds=seconds)


async def eventually_async(what: str, probe: Callable[[], Awaitable[object]], *, seconds: float = 20.0) -> None:
    """The same with a probe that has to wait itself."""
    deadline = time.monotonic() + seconds
    while not await probe():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(0.01)


@dataclass
class ControlPlane:
    """One operator's part: everything that XdsServer wants, and what it said."""

    tls: TlsFiles
    port: int = field(default_factory=free_port)
    refusals: list[Refusal] = field(default_factory=list)
    observations: Observations = field(default_factory=Observations)

    async def __aenter__(self) -> "ControlPlane":
        self.ads = AdsServer(self.refusals.append)
        self.server = XdsServer(
            f"127.0.0.1:{self.port}",
            self.tls,
            NAMESPACE,
            ads=self.ads,
            loads=LoadReports(self.observations),
            log=AccessLog(self.observations),
        )
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    async def until_reporting(self, gateways: int) -> None:
        """Return when so many gateways send load reports; what they did before is not counted."""
        now = time.monotonic
        await eventually("reports come", lambda: len(self.observations.reporting(now())) == gateways, seconds=60)

    def issued(self, seconds: float = 100.0) -> int:
        """How many requests the load reports have counted, but for those to the control plane itself."""
        models = (endpoint for endpoint in self.observations.endpoints() if endpoint[0] != "xds")
        return sum(self.observations.window(one).load(seconds, time.monotonic()).issued for one in models)


class Forwarder:
    """A TCP port that leads to another one, which may change; `cut` drops what is connected."""

    def __init__(self, target: int | None) -> None:
        self.target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Forwarder":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", free_port())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.lead_to(None)

    async def lead_to(self, target: int | None) -> None:
        """Drop every connection; the next ones go to `target`, or nowhere."""
        self.target = target
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pump(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.target is None:
            return
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, onward_writer))
                tasks.create_task(_copy(onward_reader, writer))
        finally:
            onward_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@dataclass(frozen=True)
class Gateway:
    """A running Envoy; `port` is where the test's listener shall be."""

    folder: Path
    port: int

    async def stats(self, prefix: str) -> dict[str, int]:
        """Envoy's own counters and gauges."""
        text = await self.ask(f"/stats?format=json&filter=^{prefix}")
        return {one["name"]: one["value"] for one in json.loads(text)["stats"] if "value" in one}

    async def ask(self, path: str) -> str:
        connector = aiohttp.UnixConnector(str(self.folder / "admin"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://admin{path}") as answer,
        ):
            return await answer.text()

    async def get(self, path: str) -> int:
        """Return the status of a request to the listener; 0 where nobody listens."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
            ):
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def until_status(self, path: str, status: int) -> None:
        """Return when a request is answered with the status."""

        async def answered() -> bool:
            return await self.get(path) == status

        await eventually_async(f"{path} answers {status}", answered)

    async def until_stats(self, prefix: str, wanted: dict[str, int], *, seconds: float = 20.0) -> None:
        """Return when Envoy's figures are these; while it starts there are none."""

        async def are_there() -> bool:
            try:
                return wanted.items() <= (await self.stats(prefix)).items()
            except OSError:
                return False

        await eventually_async(f"{prefix} is {wanted}", are_there, seconds=seconds)

    def use(self, made: Certificates) -> None:
        """Write the client's certificates as kubelet does: a new folder, and a link that changes to it."""
        write_client_files(self.folder / "tls", made)


def write_client_files(folder: Path, made: Certificates) -> None:
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir(parents=True)
    pair = made.client or Pair("", "")
    for name, text in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", made.bundle)):
        (version / name).write_text(text)
    link = folder / "..new"
    link.symlink_to(version.name)
    link.rename(folder / "..data")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


@contextmanager
def running_envoy(
    folder: Path,
    xds_port: int,
    made: Certificates | None,
    *,
    node: str = f"{NAMESPACE}/gateway-0",
    node_cluster: str = "nereid-gateway",
    port: int = 0,
) -> Iterator[Gateway]:
    """Yield an Envoy that asks 127.0.0.1:`xds_port`, with TLS where there are certificates."""
    folder.mkdir(parents=True, exist_ok=True)
    if made is not None:
        write_client_files(folder / "tls", made)
        _write_sds(folder)
    bootstrap = _bootstrap(folder, xds_port, tls=made is not None, node=node, node_cluster=node_cluster)
    (folder / "bootstrap.json").write_text(json.dumps(bootstrap))
    command = [envoy(), "-c", folder / "bootstrap.json", "--disable-hot-restart", "--concurrency", "1", "-l", "warn"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield Gateway(folder, port or free_port())
    finally:
        process.kill()
        process.wait()


def _write_sds(folder: Path) -> None:
    watched = {"path": str(folder / "tls")}
    tls = {name: {"filename": str(folder / "tls" / name)} for name in ("tls.crt", "tls.key", "ca.crt")}
    identity = {"certificate_chain": tls["tls.crt"], "private_key": tls["tls.key"], "watched_directory": watched}
    authorities = {
        "trusted_ca": tls["ca.crt"],
        "watched_directory": watched,
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": SERVER_NAME}}],
    }
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    for name, content in (
        ("identity", {"tls_certificate": identity}),
        ("authorities", {"validation_context": authorities}),
    ):
        resource = {"@type": kind, "name": name, **content}
        (folder / f"{name}.json").write_text(json.dumps({"resources": [resource]}))


def _bootstrap(folder: Path, xds_port: int, *, tls: bool, node: str, node_cluster: str) -> dict[str, object]:
    def sds(name: str) -> dict[str, object]:
        return {"name": name, "sds_config": {"path_config_source": {"path": str(folder / f"{name}.json")}}}

    socket = {
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": SERVER_NAME,
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [sds("identity")],
                "validation_context_sds_secret_config": sds("authorities"),
            },
        },
    }
    api = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
    }
    xds = {
        "name": "xds",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "5s", "timeout": "5s"}}
                },
            }
        },
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": xds_port}}}}
                    ]
                }
            ],
        },
        **({"transport_socket": socket} if tls else {}),
    }
    return {
        "node": {"id": node, "cluster": node_cluster},
        "admin": {"address": {"pipe": {"path": str(folder / "admin")}}},
        "static_resources": {"clusters": [xds]},
        "dynamic_resources": {
            "ads_config": {**api, "set_node_on_first_message_only": True},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "cluster_manager": {"load_stats_config": api},
    }


@dataclass
class Replica:
    """A server that answers 200 and counts; `port` is where it listens."""

    port: int
    served: int = 0


@asynccontextmanager
async def replica(delay_seconds: float = 0.0) -> AsyncIterator[Replica]:
    """Yield a replica."""

    async def answer(_: web.Request) -> web.Response:
        this.served += 1
        if delay_seconds:
            await asyncio.sleep(delay_seconds)
        return web.Response(text="ok", headers={"endpoint-load-metrics": 'JSON {"named_metrics": {"queue": 3}}'})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    this = Replica(free_port())
    await web.TCPSite(runner, "127.0.0.1", this.port).start()
    try:
        yield this
    finally:
        await runner.cleanup()


class Traffic:
    """Requests one after the other from a few clients until it is stopped; every status is kept."""

    def __init__(self, gateway: Gateway, path: str, clients: int = 4) -> None:
        self.statuses: list[int] = []
        self._gateway = gateway
        self._path = path
        self._clients = clients
        self._stop = asyncio.Event()

    async def __aenter__(self) -> "Traffic":
        self._tasks = [asyncio.create_task(self._send()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def more(self, requests: int) -> None:
        """Return when that many further requests were answered."""
        goal = len(self.statuses) + requests
        await eventually(f"{requests} more requests", lambda: len(self.statuses) >= goal, seconds=60)

    @property
    def failed(self) -> list[int]:
        return [status for status in self.statuses if status != 200]

    async def _send(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self._stop.is_set():
                try:
                    async with session.get(f"http://127.0.0.1:{self._gateway.port}{self._path}") as answer:
                        await answer.read()
                        self.statuses.append(answer.status)
                except aiohttp.ClientError:
                    self.statuses.append(0)
                await asyncio.sleep(0.002)
