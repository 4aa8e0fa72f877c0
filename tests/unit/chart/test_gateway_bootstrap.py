"""The gateway's bootstrap, run by the real Envoy as the chart gives it."""

import asyncio
import http.client
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest

from tests.binaries import envoy
from tests.stack.gateway_pod import (
    URI,
    ask,
    bootstrap_of,
    find_operators_at,
    lay_out,
    listen_at,
    mount_secret,
    running,
    stat,
)
from tests.stack.ports import free_port, free_ports
from tests.stack.wait import wait_for

# What asks for other pages than the two, as it stands in a request's first line.
CLOSED = [
    "GET /",
    "GET /config_dump",
    "GET /stats",
    "GET /stats/prometheus/",
    "GET /stats/prometheus/../../config_dump",
    "GET /stats/prometheus%2f..%2f..%2fconfig_dump",
    "GET /stats/prometheus?usedonly",
    "GET /ready?",
    "GET /stats/recentlookups",
    "GET /ready/",
    "GET /ready/../certs",
    "GET /READY",
    "GET //config_dump",
    "GET /ready%2f..%2fserver_info",
    "GET /ready;/../clusters",
    "GET http://envoy/config_dump",
    "POST /ready",
    "POST /stats/prometheus",
    "POST /healthcheck/fail",
    "POST /quitquitquit",
    "POST /drain_listeners",
    "POST /reset_counters",
    "POST /logging?level=trace",
    "POST /runtime_modify?a=b",
    "CONNECT /quitquitquit",
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """An Envoy that was told all it needs, and the port of its status pages."""
    place = lay_out(tmp_path_factory.mktemp("alone"), {})
    port = free_port()
    listen_at(place, port)
    with bootstrap_of(place) as bootstrap:
        del bootstrap["dynamic_resources"], bootstrap["cluster_manager"]
    with running(place):
        wait_for("Envoy is ready", lambda: _is_ready(port), seconds=20, interval=0.05)
        yield place, port


@pytest.fixture
def told_nothing(tmp_path):
    """A place, and the ports of the leader's Service and of all operators' Service, where nobody listens yet."""
    place = lay_out(tmp_path, {})
    status, leader, others = free_ports(3)
    listen_at(place, status)
    find_operators_at(place, leader, others)
    return place, status, leader, others


@pytest.mark.parametrize(
    "values",
    [{}, {"gateway": {"maxConnections": 1, "tls": {"selfSigned": True}}}],
    ids=["defaults", "other values"],
)
def test_envoy_takes_the_bootstrap_without_a_warning(values, tmp_path):
    place = lay_out(tmp_path, values)
    command = [envoy(), "--mode", "validate", "-c", place.bootstrap, "--service-node", "nereid-system/gateway-0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "[warning]" in line] == []


def test_the_node_says_which_gateway_it_is(alone):
    place, _ = alone
    text = ask(place, "/server_info").decode()
    assert '"id": "nereid-system/gateway-0"' in text
    assert '"cluster": "nereid-gateway"' in text


def test_kubelet_and_prometheus_get_their_pages(alone):
    _, port = alone
    assert _answer(port, "GET /ready") == (200, b"LIVE\n")
    status, metrics = _answer(port, "GET /stats/prometheus")
    assert status == 200
    assert b"envoy_server_live" in metrics


@pytest.mark.parametrize("line", CLOSED)
def test_nothing_else_of_the_admin_interface_is_reached(alone, line):
    place, port = alone
    assert _answer(port, line)[0] in {400, 403, 404, 405}
    assert ask(place, "/ready") == b"LIVE\n"


def test_metrics_do_not_grow_with_clusters(tmp_path):
    place = lay_out(tmp_path, {})
    port = free_port()
    listen_at(place, port)
    with bootstrap_of(place) as bootstrap:
        del bootstrap["dynamic_resources"], bootstrap["cluster_manager"]
        clusters = bootstrap["static_resources"]["clusters"]
        clusters += [{"name": f"team/model-{number}/http", "type": "STATIC"} for number in range(100)]
    with running(place):
        wait_for("Envoy is ready", lambda: _is_ready(port), seconds=20, interval=0.05)
        assert b"model-" not in ask(place, "/stats")


def test_it_is_not_ready_before_it_was_told_what_to_serve(told_nothing):
    """Also not once Envoy's own patience of 15 s would be over: it has none here."""
    place, status, *_ = told_nothing
    with bootstrap_of(place) as bootstrap:
        sources = [bootstrap["dynamic_resources"][name] for name in ("cds_config", "lds_config")]
    assert [source["initial_fetch_timeout"] for source in sources] == ["0s", "0s"]
    with running(place):
        wait_for(
            "attempts to reach a leader", lambda: stat(place, "cluster.xds.upstream_cx_connect_fail") > 1, seconds=20
        )
        assert ask(place, "/ready") == b"PRE_INITIALIZING\n"
        assert not _is_ready(status)


def test_other_operators_are_asked_while_nobody_leads(told_nothing):
    """Nobody listens at the leader's Service, as when no pod has its label."""
    place, _, _, others = told_nothing
    with socket.create_server(("127.0.0.1", others)) as follower, running(place):
        follower.settimeout(60)
        follower.accept()[0].close()


async def test_the_leader_is_asked_alone_over_mutual_tls(told_nothing):
    """What it is sent begins HTTP/2, from whom the certificate of the Secret names."""
    place, _, leader, others = told_nothing
    with socket.create_server(("127.0.0.1", others)) as second:
        second.setblocking(False)
        async with _serving(leader, _context(place, "nereid-xds.nereid-system.svc")) as connections:
            with running(place):
                reader, writer = await asyncio.wait_for(connections.get(), 30)
                assert (await reader.readexactly(24)).startswith(b"PRI * HTTP/2.0")
                assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
                assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
                assert writer.get_extra_info("peercert")["subjectAltName"] == (("URI", URI),)
                with pytest.raises(BlockingIOError):
                    second.accept()


async def test_who_has_a_certificate_of_another_name_is_told_nothing(told_nothing):
    place, _, leader, _ = told_nothing
    async with _serving(leader, _context(place, "nereid-xds.elsewhere.svc")):
        with running(place):
            refused = "cluster.xds.ssl.fail_verify_san"
            await asyncio.to_thread(wait_for, "a refusal", lambda: stat(place, refused) > 0, seconds=30, interval=0.05)
            assert stat(place, "cluster.xds.upstream_rq_total") == 0


async def test_certificates_that_change_are_used_without_a_restart(told_nothing):
    """The Secret gets another authority, and the operator a certificate of it."""
    place, _, leader, _ = told_nothing
    with running(place):
        async with _serving(leader, _context(place, "nereid-xds.nereid-system.svc")) as connections:
            await asyncio.wait_for(connections.get(), 30)
        mount_secret(place, "second")
        async with _serving(leader, _context(place, "nereid-xds.nereid-system.svc")) as connections:
            await asyncio.wait_for(connections.get(), 60)


@asynccontextmanager
async def _serving(port, context):
    """Serve TLS, and give a queue of the connections whose handshake ended well."""
    connections, writers = asyncio.Queue(), []

    def keep(reader, writer):
        writers.append(writer)
        connections.put_nowait((reader, writer))

    server = await asyncio.start_server(keep, "127.0.0.1", port, ssl=context)
    try:
        yield connections
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


def _context(place, name):
    """Return what a server of this name shows and asks for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=place.authority.certificate)
    context.load_cert_chain(place.authority.issue("server", f"DNS:{name}"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    return context


def _is_ready(port: int) -> bool:
    try:
        return _answer(port, "GET /ready")[0] == 200
    except OSError:
        return False


def _answer(port: int, line: str) -> tuple[int, bytes]:
    """Send a request's first line as it stands; return the status and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.settimeout(2)
        connection.sendall(f"{line} HTTP/1.1\r\nhost: envoy\r\ncontent-length: 0\r\n\r\n".encode())
        with http.client.HTTPResponse(connection) as response:
            response.begin()
            return response.status, response.read()
