"""Writes what a pass learnt: status, and on a change of Ready an Event and a line in the log. Called by reconciler.py.

Nothing is written when status already says it.
"""

import logging
from datetime import datetime

from nereid_operator.api.resources import MODEL_DEPLOYMENT, Body
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError, NotFoundError
from nereid_operator.events import ready_event
from nereid_operator.status import Reading, is_stale, ready_condition, summarize

_log = logging.getLogger(__name__)


async def report(body: Body, reading: Reading, *, cache: Cache, kube: KubeClient, now: datetime) -> None:
    """Bring the status of `body` up to the reading; an object deleted meanwhile needs none."""
    previous = body.get("status", {})
    if is_stale(reading, previous):
        return
    status = summarize(reading, previous, now=now)
    if status == previous:
        return
    try:
        written = await kube.apply_status(reading.key.namespace, reading.key.name, status)
    except NotFoundError:
        return
    cache.put(MODEL_DEPLOYMENT, written)
    event = ready_event(body, status, now=now)
    if event is None:
        return
    ready = ready_condition(status)
    _log.info("%s: Ready=%s %s: %s", reading.key, ready["status"], ready["reason"], ready["message"])
    try:
        await kube.create_event(event)
    except ApiError as error:
        # The Event only repeats what status says: its loss is no reason to repeat the pass.
        _log.warning("%s: the Event %s was not written: %s", reading.key, event["reason"], error)
