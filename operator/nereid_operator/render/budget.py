"""Plan → PodDisruptionBudget: a drain takes one serving pod at a time. Pure; called by the reconciler.

A pod that is not ready may always be evicted: one that cannot start must not keep a node from being drained.
"""

from nereid_operator.api.resources import POD_DISRUPTION_BUDGET
from nereid_operator.plan.ir import Owner
from nereid_operator.render.metadata import Component, Manifest, labels, metadata, selector


def disruption_budget(owner: Owner, revision: str, *, max_unavailable: int) -> Manifest:
    """Return the budget of the pods of one revision."""
    return {
        "apiVersion": POD_DISRUPTION_BUDGET.api_version,
        "kind": POD_DISRUPTION_BUDGET.kind,
        "metadata": metadata(owner, owner.name, labels(owner, Component.REPLICA)),
        "spec": {
            "maxUnavailable": max_unavailable,
            "selector": {"matchLabels": selector(owner, revision)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
