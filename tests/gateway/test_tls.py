"""TLS at the listener: versions, protocols, and a certificate that changes while connections are open."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from nereid_operator.plan.gateway_ir import Certificate
from tests.gateway.gateways import PATHS, Stand, gateway, model, standing
from tests.stack.certificates import Authority, make_authority
from tests.stack.wait import wait_for

NAME = "gateway.example.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def certificate(authority: Authority, name: str) -> Certificate:
    pem = authority.issue(name, f"DNS:{NAME}", "IP:127.0.0.1").read_text()
    key, separator, chain = pem.partition("-----END PRIVATE KEY-----\n")
    return Certificate(chain=chain, key=key + separator)


@pytest.fixture
def stand(authority: Authority, tmp_path: Path) -> Iterator[Stand]:
    made = gateway(model("m", "10.0.0.1"), certificate=certificate(authority, "first"))
    with standing(made, tmp_path) as running:
        yield running


def connected(stand: Stand, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", stand.gateway.port), timeout=10)
    try:
        return context.wrap_socket(plain, server_hostname=NAME)
    except BaseException:
        plain.close()
        raise


def context_of(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


@pytest.mark.parametrize(
    ("version", "served"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions(stand: Stand, authority: Authority, version: ssl.TLSVersion, served: bool):
    context = context_of(authority)
    # OpenSSL offers old versions only at its lowest level.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if not served:
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            connected(stand, context)
        return
    with connected(stand, context) as connection:
        assert connection.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["spdy"], None)]
)
def test_protocols(stand: Stand, authority: Authority, offered: list[str], chosen: str | None):
    context = context_of(authority)
    context.set_alpn_protocols(offered)
    with connected(stand, context) as connection:
        assert connection.selected_alpn_protocol() == chosen


def test_nothing_is_served_in_the_clear(stand: Stand):
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{stand.url}/v1/models", timeout=10)


def test_a_new_certificate_is_served_and_open_connections_stay(stand: Stand, authority: Authority):
    url = f"https://127.0.0.1:{stand.gateway.port}"
    with httpx.Client(verify=context_of(authority), timeout=30) as client:
        first = client.get(f"{url}/v1/models")
        opened = first.extensions["network_stream"].get_extra_info("client_addr")
        with connected(stand, context_of(authority)) as connection:
            serial = _serial(connection)
        stand.change(replace(stand.gateway, certificate=certificate(authority, "second")))
        wait_for("the new certificate", lambda: _is_new(stand, authority, serial), seconds=10, interval=0.05)
        again = client.post(f"{url}{PATHS[0]}", json={"model": "team.m"})
        assert again.status_code == 200
        assert again.extensions["network_stream"].get_extra_info("client_addr") == opened


def _is_new(stand: Stand, authority: Authority, serial: str) -> bool:
    with connected(stand, context_of(authority)) as connection:
        return _serial(connection) != serial


def _serial(connection: ssl.SSLSocket) -> str:
    held = connection.getpeercert()
    assert held is not None
    return str(held["serialNumber"])
