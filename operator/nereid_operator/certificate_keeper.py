"""The certificates between gateways and operators, in three Secrets of the operator's namespace.

    <name>-xds-ca       ca.crt, ca.key             the operators alone read it
    <name>-xds-server   tls.crt, tls.key, ca.crt   what the control plane shows; ca.crt is the bundle that is trusted
    <name>-xds-client   tls.crt, tls.key, ca.crt   mounted by the gateway's pods

Run by control_plane.py in every operator: who leads renews them (xds/certificates.py decides), everybody reads them.
Nothing is written while they are in order.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from nereid_operator.api.resources import MANAGER_OBJECTS, SECRET
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError, NotLeadingError
from nereid_operator.render.secret import OPAQUE_TYPE, TLS_TYPE, secret, secret_texts
from nereid_operator.xds.certificates import Certificates, Pair, Subjects, renewed
from nereid_operator.xds.identity import gateway_uri
from nereid_operator.xds.server import TlsFiles

PERIOD_SECONDS = 60.0
# While there are none the gateways' pods wait, and every operator looks for them.
AGAIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CertificateKeeper:
    """Keeps the Secrets whose names begin with `name`. `writes` is guarded by the election, `kube` is not."""

    kube: KubeClient
    writes: KubeClient
    namespace: str
    name: str
    is_leading: Callable[[], bool]
    now: Callable[[], datetime]
    _used: TlsFiles | None = None

    async def run(self, use: Callable[[TlsFiles], None]) -> None:
        """Renew and read until cancelled; `use` gets what is to be served with, whenever that changed."""
        while True:
            try:
                await self.step(use)
            except NotLeadingError:
                _log.info("the certificates are the next leader's to renew")
            except ApiError as error:
                _log.warning("the certificates of the control plane: %s", error)
            await asyncio.sleep(AGAIN_SECONDS if self._used is None else PERIOD_SECONDS)

    async def step(self, use: Callable[[TlsFiles], None]) -> None:
        """Bring the Secrets up to date where this process leads, and use what they hold; raises ApiError."""
        present = await self._read()
        wanted = present
        if self.is_leading():
            subjects = Subjects(f"{self.name}-xds.{self.namespace}.svc", gateway_uri(self.namespace))
            wanted = renewed(present, subjects, self.now())
            await self._write(present, wanted)
        if wanted.server is None or not wanted.bundle:
            return
        tls = TlsFiles(wanted.server.certificate.encode(), wanted.server.key.encode(), wanted.bundle.encode())
        if tls != self._used:
            self._used = tls
            use(tls)

    async def _read(self) -> Certificates:
        authority, server, client = [
            secret_texts(await self.kube.get(SECRET, self.namespace, self._secret(part)))
            for part in ("ca", "server", "client")
        ]
        return Certificates(
            bundle=authority.get("ca.crt", ""),
            authority_key=authority.get("ca.key", ""),
            server=_pair(server.get("tls.crt"), server.get("tls.key")),
            client=_pair(client.get("tls.crt"), client.get("tls.key")),
        )

    async def _write(self, present: Certificates, wanted: Certificates) -> None:
        """Write what differs: first who is trusted, then what they signed."""
        authority = {"ca.crt": wanted.bundle, "ca.key": wanted.authority_key}
        if (present.bundle, present.authority_key) != (wanted.bundle, wanted.authority_key):
            await self._apply("ca", OPAQUE_TYPE, authority)
        pairs = (("server", present.server, wanted.server), ("client", present.client, wanted.client))
        for part, before, after in pairs:
            if after is not None and (before != after or present.bundle != wanted.bundle):
                texts = {"tls.crt": after.certificate, "tls.key": after.key, "ca.crt": wanted.bundle}
                await self._apply(part, TLS_TYPE, texts)

    async def _apply(self, part: str, kind: str, texts: dict[str, str]) -> None:
        _log.info("writing Secret %s", self._secret(part))
        manifest = secret(self.namespace, self._secret(part), kind, texts)
        await self.writes.apply(SECRET, manifest, manager=MANAGER_OBJECTS)

    def _secret(self, part: str) -> str:
        return f"{self.name}-xds-{part}"


def _pair(certificate: str | None, key: str | None) -> Pair | None:
    return Pair(certificate, key) if certificate and key else None
