"""Owner → ServiceAccount of a model's pods. Pure; called by render/children.py.

It has no rights and no token: no pod of a model talks to the API server.
"""

from nereid_operator.api.resources import SERVICE_ACCOUNT
from nereid_operator.plan.ir import Owner
from nereid_operator.plan.names import account_name
from nereid_operator.render.metadata import Component, Manifest, labels, metadata


def service_account(owner: Owner) -> Manifest:
    """Return the account that replicas and resolve Jobs run under."""
    return {
        "apiVersion": SERVICE_ACCOUNT.api_version,
        "kind": SERVICE_ACCOUNT.kind,
        "metadata": metadata(owner, account_name(owner.name), labels(owner, Component.MODEL)),
        "automountServiceAccountToken": False,
    }
