"""The scheduler's own words → what is wrong with a PersistentVolumeClaim that a pod mounts. Pure; called by waiting.

The words are those of k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding. They name no claim where one is
not bound.
"""

import re
from typing import NamedTuple

from nereid_operator.api.conditions import Reason

_ABSENT = re.compile(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)')
_LOST = re.compile(r'persistentvolumeclaim "([^"]+)" bound to non-existent persistentvolume "([^"]+)"')
_UNBOUND = "unbound immediate PersistentVolumeClaims"


class ClaimWords(NamedTuple):
    """Why a pod waits for a claim."""

    reason: Reason
    message: str


def claim_words(message: str) -> ClaimWords | None:
    """Return what a message of a PodScheduled condition says of claims; None when it speaks of something else."""
    if found := _ABSENT.search(message):
        state = "is not there" if found[2] == "not found" else found[2]
        return ClaimWords(Reason.CLAIM_MISSING, f"PersistentVolumeClaim {found[1]} {state}.")
    if found := _LOST.search(message):
        return ClaimWords(
            Reason.CLAIM_NOT_BOUND,
            f"PersistentVolumeClaim {found[1]} is bound to volume {found[2]}, which is not there.",
        )
    if _UNBOUND in message:
        return ClaimWords(
            Reason.CLAIM_NOT_BOUND, "A PersistentVolumeClaim that the pod mounts is not bound to a volume."
        )
    return None
