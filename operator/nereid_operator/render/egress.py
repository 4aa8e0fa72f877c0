"""Egress → ConfigMap that tells `resolve` and `prepare` where a model may be fetched from. Pure; called by children.py.

Its pods find it as a file (render/pod.py), so that another policy holds for the next fetch without another pod. Where
there is nothing to say there is no ConfigMap: `model_runtime` then allows public addresses alone.
"""

import json

from nereid_operator.api.resources import CONFIG_MAP
from nereid_operator.plan.ir import Egress, Owner
from nereid_operator.plan.names import egress_name
from nereid_operator.render.metadata import Component, Manifest, labels, metadata
from nereid_operator.render.pod import EGRESS_FILE


def egress_config_map(owner: Owner, egress: Egress) -> Manifest:
    """Return the ConfigMap; its one file is JSON with the fields of Egress."""
    said = {
        "hosts": [list(hosts) for hosts in egress.hosts],
        "cidrs": None if egress.cidrs is None else list(egress.cidrs),
        "proxies": list(egress.proxies),
    }
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": metadata(owner, egress_name(owner.name), labels(owner, Component.MODEL)),
        "data": {EGRESS_FILE: json.dumps(said)},
    }
