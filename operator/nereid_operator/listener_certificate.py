"""The certificate that the gateway shows to clients: read from a Secret again and again, made where that is wanted.

Run by control_plane.py in every operator, so that all of them publish the same. A Secret that is gone or holds no
certificate any more changes nothing: the gateways go on with the last one.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from nereid_operator.api.resources import MANAGER_OBJECTS, SECRET
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError, NotLeadingError
from nereid_operator.plan.gateway_ir import Certificate
from nereid_operator.render.secret import TLS_TYPE, secret, secret_texts
from nereid_operator.xds.certificates import Certificates, Pair, Subjects, renewed

PERIOD_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ListenerCertificate:
    """Reads the Secret `name`, of type kubernetes.io/tls; where `host` is given, who leads makes one for that host."""

    kube: KubeClient
    writes: KubeClient
    namespace: str
    name: str
    host: str | None
    is_leading: Callable[[], bool]
    now: Callable[[], datetime]
    use: Callable[[Certificate], None]
    _used: Certificate | None = None
    _is_missing: bool = False

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self.step()
            except NotLeadingError:
                _log.info("the certificate of the gateway is the next leader's to make")
            except ApiError as error:
                _log.warning("the certificate of the gateway: %s", error)
            await asyncio.sleep(PERIOD_SECONDS)

    async def step(self) -> None:
        """Read the Secret once, make it where that is wanted, and use what it holds; raises ApiError."""
        texts = secret_texts(await self.kube.get(SECRET, self.namespace, self.name))
        if self.host is not None and self.is_leading():
            wanted = self_made(texts, self.host, self.now())
            if wanted != texts:
                _log.info("making the certificate of the gateway, Secret %s", self.name)
                manifest = secret(self.namespace, self.name, TLS_TYPE, wanted)
                await self.writes.apply(SECRET, manifest, manager=MANAGER_OBJECTS)
                texts = wanted
        chain, key = texts.get("tls.crt", ""), texts.get("tls.key", "")
        if not chain or not key:
            self._tell_missing()
            return
        self._is_missing = False
        certificate = Certificate(chain, key)
        if certificate != self._used:
            self._used = certificate
            self.use(certificate)

    def _tell_missing(self) -> None:
        """Say once that there is none: without one nothing is published, since it would be served without TLS."""
        if not self._is_missing:
            goes_on = "the last one stays" if self._used else "the gateway serves nothing before there is one"
            words = "Secret %s/%s has no tls.crt and tls.key; %s"
            _log.warning(words, self.namespace, self.name, goes_on)
        self._is_missing = True


def self_made(present: Mapping[str, str], host: str, now: datetime) -> Mapping[str, str]:
    """Return the texts of a Secret with a certificate for a host, and its own authority; `present` while in order."""
    pair = Pair(present["tls.crt"], present["tls.key"]) if {"tls.crt", "tls.key"} <= present.keys() else None
    before = Certificates(present.get("ca.crt", ""), present.get("ca.key", ""), pair, None)
    # The authority signs one for a client too, which nobody needs.
    after = renewed(before, Subjects(host, f"https://{host}"), now)
    if after.server is None:
        return present
    return {
        "tls.crt": after.server.certificate,
        "tls.key": after.server.key,
        "ca.crt": after.bundle,
        "ca.key": after.authority_key,
    }
