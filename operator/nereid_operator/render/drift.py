"""Does a live object already say what was rendered? Pure; called by the reconciler before each apply.

What was rendered must be there; what the API server added (defaults, status, sidecars of a webhook) is no drift.
Quantities are compared as numbers, because the server rewrites them: 1024Mi comes back as 1Gi.
"""

from collections.abc import Sequence
from typing import Any

from nereid_operator.api.quantities import quantity

# The merge keys of server-side apply for the lists that are rendered; other lists are compared as a whole.
_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "ports": "name",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


# What the API server takes as a whole or not at all: a label more selects other pods, a word more lets others in.
_ATOMIC = frozenset({"selector", "labelSelector", "podSelector", "ingress", "egress"})


def differs(rendered: object, live: object, field: str = "") -> bool:
    """Return whether applying `rendered` would change `live`. `field` is the name under which both stand."""
    if field in _ATOMIC:
        return bool(rendered != live)
    if isinstance(rendered, dict):
        return not isinstance(live, dict) or any(differs(value, live.get(key), key) for key, value in rendered.items())
    if isinstance(rendered, list | tuple):
        return not isinstance(live, list) or _lists_differ(rendered, live, _MERGE_KEYS.get(field))
    return bool(rendered != live) and not _same_quantity(rendered, live)


def _lists_differ(rendered: Sequence[Any], live: Sequence[Any], merge_key: str | None) -> bool:
    if merge_key is None:
        return len(rendered) != len(live) or any(map(differs, rendered, live))
    by_key = {entry[merge_key]: entry for entry in live if merge_key in entry}
    return any(differs(entry, by_key.get(entry[merge_key])) for entry in rendered)


def _same_quantity(rendered: object, live: object) -> bool:
    if not isinstance(rendered, str) or not isinstance(live, str):
        return False
    try:
        return quantity(rendered) == quantity(live)
    except ValueError:
        return False
