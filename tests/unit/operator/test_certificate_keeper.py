"""The Secrets with certificates: who makes and who reads them, and that nothing is written while they are in order."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nereid_operator.certificate_keeper import CertificateKeeper
from nereid_operator.clients.kube import KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.listener_certificate import ListenerCertificate, self_made
from nereid_operator.plan.gateway_ir import Certificate
from nereid_operator.xds.server import TlsFiles

SECRETS = "/api/v1/namespaces/nereid-system/secrets/"
START = datetime(2026, 1, 1, tzinfo=UTC)


class _Secrets:
    """An API server that has Secrets."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.kube = KubeClient(self._answer)
        self.now = START

    async def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(SECRETS)
        if request.method == "GET":
            found = self.bodies.get(name)
            return Response(404, {"message": "none"}) if found is None else Response(200, found)
        self.bodies[name] = dict(request.body or {})
        self.writes.append(name)
        return Response(200, self.bodies[name])

    def texts(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.bodies[name]["data"].items()}

    def put(self, name: str, **texts: str) -> None:
        self.bodies[name] = {"data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}}

    def keeper(self, *, leading: bool) -> CertificateKeeper:
        return CertificateKeeper(self.kube, self.kube, "nereid-system", "nereid", lambda: leading, lambda: self.now)

    def listener(
        self, used: list[Certificate], *, leading: bool = True, host: str | None = None
    ) -> ListenerCertificate:
        return ListenerCertificate(
            self.kube, self.kube, "nereid-system", "front", host, lambda: leading, lambda: self.now, used.append
        )


@pytest.fixture
def secrets() -> _Secrets:
    return _Secrets()


async def test_the_leader_makes_them_and_the_follower_uses_the_same(secrets: _Secrets):
    used: list[TlsFiles] = []
    await secrets.keeper(leading=False).step(used.append)
    assert (used, secrets.writes) == ([], [])
    await secrets.keeper(leading=True).step(used.append)
    assert secrets.writes == ["nereid-xds-ca", "nereid-xds-server", "nereid-xds-client"]
    await secrets.keeper(leading=False).step(used.append)
    assert len(used) == 2
    assert used[0] == used[1]
    assert {name: sorted(body["data"]) for name, body in secrets.bodies.items()} == {
        "nereid-xds-ca": ["ca.crt", "ca.key"],
        "nereid-xds-server": ["ca.crt", "tls.crt", "tls.key"],
        "nereid-xds-client": ["ca.crt", "tls.crt", "tls.key"],
    }
    assert secrets.bodies["nereid-xds-client"]["type"] == "kubernetes.io/tls"


async def test_what_is_in_order_is_neither_written_nor_told_again(secrets: _Secrets):
    used: list[TlsFiles] = []
    keeper = secrets.keeper(leading=True)
    await keeper.step(used.append)
    secrets.now += timedelta(days=30)
    await keeper.step(used.append)
    assert (len(used), len(secrets.writes)) == (1, 3)


async def test_they_are_renewed_in_time(secrets: _Secrets):
    used: list[TlsFiles] = []
    keeper = secrets.keeper(leading=True)
    await keeper.step(used.append)
    secrets.now += timedelta(days=61)
    await keeper.step(used.append)
    assert secrets.writes[3:] == ["nereid-xds-server", "nereid-xds-client"]
    assert used[0].authorities == used[1].authorities
    assert used[0].chain != used[1].chain


async def test_a_secret_that_somebody_deletes_is_made_again(secrets: _Secrets):
    used: list[TlsFiles] = []
    keeper = secrets.keeper(leading=True)
    await keeper.step(used.append)
    del secrets.bodies["nereid-xds-client"]
    await keeper.step(used.append)
    assert secrets.writes[3:] == ["nereid-xds-client"]
    assert len(used) == 1


async def test_the_listeners_certificate_is_read_again_and_again(secrets: _Secrets):
    used: list[Certificate] = []
    listener = secrets.listener(used)
    await listener.step()
    assert used == []
    secrets.put("front", **{"tls.crt": "chain", "tls.key": "key"})
    await listener.step()
    await listener.step()
    assert used == [Certificate("chain", "key")]
    secrets.put("front", **{"tls.crt": "another", "tls.key": "key"})
    await listener.step()
    del secrets.bodies["front"]
    await listener.step()
    assert used[1:] == [Certificate("another", "key")]
    assert secrets.writes == []


async def test_a_self_made_one_is_the_leaders_to_make(secrets: _Secrets):
    used: list[Certificate] = []
    await secrets.listener(used, leading=False, host="nereid-gateway.nereid-system.svc").step()
    assert (used, secrets.writes) == ([], [])
    await secrets.listener(used, host="nereid-gateway.nereid-system.svc").step()
    assert secrets.writes == ["front"]
    assert used == [Certificate(secrets.texts("front")["tls.crt"], secrets.texts("front")["tls.key"])]
    await secrets.listener(used, host="nereid-gateway.nereid-system.svc").step()
    assert secrets.writes == ["front"]


def test_a_self_made_one_lasts_until_it_is_due_or_is_for_another_host():
    made = self_made({}, "a.example.com", START)
    assert self_made(made, "a.example.com", START + timedelta(days=59)) == made
    for due in (
        self_made(made, "a.example.com", START + timedelta(days=61)),
        self_made(made, "b.example.com", START),
        self_made({**made, "tls.crt": "nonsense"}, "a.example.com", START),
    ):
        assert due["tls.crt"] != made["tls.crt"]
        assert due["ca.crt"] == made["ca.crt"]
