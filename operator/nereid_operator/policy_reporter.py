"""Writes what the operator makes of a ServingPolicy into its status. Called by reconciler.py with the policy's key.

Nothing is written when status already says it. The models under a policy are judged in passes of their own.
"""

import logging
from datetime import datetime
from typing import Any

from nereid_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, merge
from nereid_operator.api.policy_validation import read_policy
from nereid_operator.api.resources import SERVING_POLICY, Body, Key
from nereid_operator.api.serving_policy import BrokenPolicy, Policy
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import NotFoundError

_log = logging.getLogger(__name__)


async def report_policy(key: Key, *, cache: Cache, kube: KubeClient, now: datetime) -> None:
    """Bring the status of a policy up to what was read of it; one that is gone needs none."""
    body = cache.policy(key)
    if body is None or "deletionTimestamp" in body["metadata"]:
        return
    previous = body.get("status", {})
    status = policy_status(read_policy(body), previous, generation=body["metadata"].get("generation", 1), now=now)
    if status == previous:
        return
    try:
        cache.put(SERVING_POLICY, await kube.apply_status(SERVING_POLICY, body, status))
    except NotFoundError:
        return
    condition = status["conditions"][0]
    _log.info("%s: Accepted=%s: %s", key, condition["status"], condition["message"])


def policy_status(policy: Policy, previous: Body, *, generation: int, now: datetime) -> dict[str, Any]:
    """Return the whole status of a policy. `previous` is the status as it stands, for the times in it."""
    conditions = merge((_accepted(policy),), previous.get("conditions", ()), generation=generation, now=now)
    return {"observedGeneration": generation, "conditions": [condition.as_body() for condition in conditions]}


def _accepted(policy: Policy) -> Condition:
    if isinstance(policy, BrokenPolicy):
        words = f"Nothing new begins in the namespaces it selects until this is mended: {'; '.join(policy.errors)}"
        return Condition(ConditionType.ACCEPTED, ConditionStatus.FALSE, Reason.INVALID_SPEC, words)
    return Condition(ConditionType.ACCEPTED, ConditionStatus.TRUE, Reason.ACCEPTED, "The policy is in force.")
