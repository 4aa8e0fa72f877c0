"""May this object have another Event now? A token bucket per object, with the figures of client-go's spam filter. Pure.

Called by reporter.py. A pod in a crash loop changes the reason of its model for ever, and each change would be an
Event: status goes on to tell all of them, `kubectl describe` only the first ones and then one every few minutes.
Source: k8s.io/client-go/tools/record, EventSourceObjectSpamFilter.
"""

from dataclasses import dataclass

BURST = 25
REFILL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left of the allowance of one object at the moment `at`, in seconds of the caller's clock."""

    tokens: float
    at: float


def take(bucket: Bucket | None, *, at: float) -> Bucket | None:
    """Return the bucket after one more Event at this moment; None when that is too many. No bucket is a full one."""
    if bucket is None:
        return Bucket(BURST - 1, at)
    tokens = min(bucket.tokens + (at - bucket.at) / REFILL_SECONDS, BURST)
    return Bucket(tokens - 1, at) if tokens >= 1 else None
