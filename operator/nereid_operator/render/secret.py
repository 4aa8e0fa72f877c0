"""Texts ↔ a Secret of the operator's own. Pure; used by certificate_keeper.py and listener_certificate.py."""

import base64
from collections.abc import Mapping

from nereid_operator.api.resources import SECRET, Body
from nereid_operator.render.metadata import Manifest

TLS_TYPE = "kubernetes.io/tls"
OPAQUE_TYPE = "Opaque"


def secret(namespace: str, name: str, kind: str, texts: Mapping[str, str]) -> Manifest:
    """Return a Secret of a type, with these texts by key."""
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/part-of": "nereid"}},
        "type": kind,
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()},
    }


def secret_texts(body: Body | None) -> Mapping[str, str]:
    """Return the texts of a Secret by key; none where it is not there."""
    data = (body or {}).get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
