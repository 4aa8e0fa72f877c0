"""`nereid status --live`: a table of models as the leader knows them now, or one in detail. Values → text, pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from nereid_operator.cli.live_model import LiveModel, LivePass, LiveQueue, LiveReplica
from nereid_operator.cli.text import age, counted, sentence, table
from nereid_operator.progress import sentence as progress_sentence

_NOTHING = "-"
_PLACES = {
    "Running": "a pass runs",
    "Waiting": "has waited {seconds:.1f} s",
    "Later": "again in {seconds:.0f} s",
    "Idle": "idle",
}
_COLUMNS = ("NAME", "READY", "REASON", "QUEUE", "LAST PASS", "PODS")


def live_table(models: Iterable[LiveModel], *, now: datetime) -> str:
    """Return the models of one namespace as a table."""
    return "\n".join(table([_COLUMNS, *(_row(model, now) for model in models)]))


def live_table_with_namespaces(models: Iterable[LiveModel], *, now: datetime) -> str:
    """Return the models of several namespaces as a table."""
    rows = ((model.namespace, *_row(model, now)) for model in models)
    return "\n".join(table([("NAMESPACE", *_COLUMNS), *rows]))


def live_details(model: LiveModel, *, now: datetime) -> str:
    """Return everything that the leader knows of one model beyond its status."""
    rows = [
        ("Name:", f"{model.namespace}/{model.name}"),
        ("Ready:", f"{model.ready or 'Unknown'}, {model.reason or 'not looked at yet'}"),
        ("Queue:", _queue(model.queue)),
        ("Last pass:", _last_pass(model.last_pass, now)),
    ]
    lines = table(rows)
    if model.replicas:
        lines += ["", "Pods:", *table(map(_replica, model.replicas), indent="  ")]
    if model.decisions:
        decisions = (_decision(one, now) for one in model.decisions)
        lines += ["", "Latest decisions:", *table(decisions, indent="  ")]
    return "\n".join(lines)


def _row(model: LiveModel, now: datetime) -> tuple[str, ...]:
    latest = f"{model.last_pass.result}, {_ago(model.last_pass, now)}" if model.last_pass else _NOTHING
    return (
        model.name,
        model.ready or "Unknown",
        model.reason or _NOTHING,
        _queue(model.queue),
        latest,
        _pods(model.replicas),
    )


def _queue(queue: LiveQueue) -> str:
    place = _PLACES.get(queue.state, queue.state).format(seconds=queue.seconds)
    return f"{place}, {counted(queue.failures, 'failure')} in a row" if queue.failures else place


def _last_pass(latest: LivePass | None, now: datetime) -> str:
    return f"{_ago(latest, now)}, {latest.result}, took {latest.seconds:.3f} s" if latest else "none yet"


def _ago(one: LivePass, now: datetime) -> str:
    return f"{age(one.ended.isoformat(), now)} ago"


def _pods(replicas: Iterable[LiveReplica]) -> str:
    """Return how many pods are in each phase, and how much of what they fetch is there."""
    pods = tuple(replicas)
    fetched = _fetched(pods)
    phases = Counter(pod.phase for pod in pods)
    words = ", ".join(f"{count} {phase}" for phase, count in phases.items())
    return f"{words} ({fetched})" if fetched else words or _NOTHING


def _fetched(pods: Iterable[LiveReplica]) -> str:
    told = [pod.progress for pod in pods if pod.progress]
    total = sum(progress.bytes_total for progress in told)
    return f"{sum(progress.bytes_done for progress in told) * 100 // total} % fetched" if total else ""


def _replica(pod: LiveReplica) -> tuple[str, ...]:
    progress = progress_sentence(pod.progress) if pod.progress else ""
    return pod.name, pod.phase, counted(pod.restarts, "restart"), progress


def _decision(one: LivePass, now: datetime) -> tuple[str, ...]:
    return _ago(one, now), one.result, one.reason, sentence(one.message) if one.message else ""
