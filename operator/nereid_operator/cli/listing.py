"""`nereid status`: a table of models, or one model in detail. Bodies → text, pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from nereid_operator.api.model_status import ResolvedModel, recorded_model
from nereid_operator.api.resources import Body
from nereid_operator.cli.text import age, sentence, short_digest, short_revision, size, table
from nereid_operator.status import ready_condition

_NOTHING = "-"
_COLUMNS = ("NAME", "READY", "REASON", "REVISION", "DIGEST", "SIZE", "REPLICAS")


def models_table(models: Iterable[Body]) -> str:
    """Return the models of one namespace as a table."""
    return "\n".join(table([_COLUMNS, *(_row(model) for model in models)]))


def models_table_with_namespaces(models: Iterable[Body]) -> str:
    """Return the models of several namespaces as a table."""
    rows = ((model["metadata"]["namespace"], *_row(model)) for model in models)
    return "\n".join(table([("NAMESPACE", *_COLUMNS), *rows]))


def details(model: Body, *, now: datetime) -> str:
    """Return everything that status knows of one model, a line each."""
    metadata, status = model["metadata"], model.get("status", {})
    ready = ready_condition(status)
    rows = [
        ("Name", f"{metadata['namespace']}/{metadata['name']}"),
        ("Ready", f"{ready.get('status', 'Unknown')}, {ready.get('reason', 'not looked at yet')}"),
        ("URL", status.get("url", _NOTHING)),
        ("Source", model["spec"]["model"]["uri"]),
        *_model_rows(recorded_model(status)),
        ("Memory", _memory(status)),
        ("Replicas", f"{_replicas(model)} ready"),
        ("Revision", _revisions(status)),
        ("Generation", f"{metadata.get('generation', 1)}, status speaks of {status.get('observedGeneration', 0)}"),
    ]
    lines = table([(f"{label}:", text) for label, text in rows])
    if conditions := tuple(_condition_rows(status, now)):
        lines += ["", "Conditions:", *table(conditions, indent="  ")]
    if ready.get("status") != "True":
        lines += ["", f"Why: nereid why -n {metadata['namespace']} {metadata['name']}"]
    return "\n".join(lines)


def _row(model: Body) -> tuple[str, ...]:
    status = model.get("status", {})
    ready, resolved = ready_condition(status), recorded_model(status)
    return (
        model["metadata"]["name"],
        ready.get("status", "Unknown"),
        ready.get("reason", _NOTHING),
        _revisions(status),
        short_digest(resolved.digest) if resolved else _NOTHING,
        size(resolved.size_bytes) if resolved else _NOTHING,
        _replicas(model),
    )


def _model_rows(resolved: ResolvedModel | None) -> Iterator[tuple[str, str]]:
    if resolved is None:
        yield "Model", "not resolved yet"
        return
    yield "Pinned", f"{short_revision(resolved.revision)} ({resolved.revision})"
    yield "Digest", resolved.digest
    yield "Size", f"{size(resolved.size_bytes)} ({resolved.size_bytes} bytes in {resolved.files} files)"
    yield "Task", str(resolved.task)
    yield "Architecture", ", ".join(part for part in (resolved.architecture, resolved.dtype) if part) or _NOTHING


def _memory(status: Body) -> str:
    memory = status.get("model", {}).get("memory")
    return f"{memory} a replica" if memory else _NOTHING


def _replicas(model: Body) -> str:
    return f"{model.get('status', {}).get('readyReplicas', 0)}/{model['spec'].get('replicas', 1)}"


def _revisions(status: Body) -> str:
    """Return the revision that serves, and the one that is on its way when there is one."""
    revisions = status.get("revisions", {})
    stable, current = revisions.get("stable"), revisions.get("current")
    if stable and current and stable != current:
        return f"{stable}→{current}"
    return current or stable or _NOTHING


def _condition_rows(status: Body, now: datetime) -> Iterator[tuple[str, ...]]:
    for entry in status.get("conditions", ()):
        since = age(entry.get("lastTransitionTime", ""), now)
        yield entry["type"], entry["status"], entry["reason"], f"since {since}", sentence(entry["message"])
