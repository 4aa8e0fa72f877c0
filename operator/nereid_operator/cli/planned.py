"""`nereid plan`: what the operator would create for a manifest, its memory, and where it fits. Values → text, pure.

The objects are those of the operator's own plan/ and render/, so that this text cannot drift from what happens.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nereid_operator.api.conditions import Reason
from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel, recorded_model
from nereid_operator.api.resources import (
    ANNOTATION_REFRESH,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    SERVICE_ACCOUNT,
    Body,
    Resource,
)
from nereid_operator.api.validation import Violation
from nereid_operator.cli.evidence import Evidence, NodeReading
from nereid_operator.cli.fit import fit_lines
from nereid_operator.cli.placement import written
from nereid_operator.cli.text import counted, size, table
from nereid_operator.observe import deployment_facts, selected_revision
from nereid_operator.plan.fitness import obstacle
from nereid_operator.plan.ir import Plan, Platform
from nereid_operator.plan.names import input_hash, refresh_hash, url
from nereid_operator.plan.planner import make_plan, resolve_job
from nereid_operator.plan.resolution import asks_again
from nereid_operator.pod_requests import container_requests, pod_requests
from nereid_operator.render.children import Child, children
from nereid_operator.render.job import job as render_job
from nereid_operator.render.workload import deployment as render_deployment

_HASH = "<hash>"
_FOR: Mapping[Resource, str] = {
    SERVICE_ACCOUNT: "the pods run under it; it has no rights",
    NETWORK_POLICY: "says who reaches the pods, and what they reach",
    CONFIG_MAP: "says where the model may be fetched from",
    POD_DISRUPTION_BUDGET: "a drain takes one serving pod at a time",
}
_NO_DIGEST = f"sha256:{'0' * 64}"


@dataclass(frozen=True, slots=True)
class Assumption:
    """What the command line says of the model: bytes of all files, type of the weights."""

    size_bytes: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known besides the manifest. `live` and `reading` are None when there is nothing, or nobody could look.

    `present` names what is there of the model besides, by kind and name; None when that could not be read.
    """

    platform: Platform
    live: Evidence | None
    reading: NodeReading | None
    assumption: Assumption | None
    present: frozenset[tuple[str, str]] | None = frozenset()
    unknown_fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Facts:
    """The model as far as it is known: `exact` when status says so, `sized` when bytes and type are known at all.

    `asks` is what the resolve Job is for, empty when there is no need of one.
    """

    model: ResolvedModel
    exact: bool
    sized: bool
    words: str
    asks: str


def refusal(name: str, violations: Iterable[Violation]) -> str:
    """Return what is wrong with a manifest, a line for each field."""
    violations = tuple(violations)
    valid = all(violation.reason != Reason.INVALID_SPEC for violation in violations)
    verdict = "is forbidden by the platform's policies" if valid else "is not valid"
    return "\n".join(
        [f"ModelDeployment {name} {verdict}; nothing would be created:", *(f"  {one}" for one in violations)]
    )


def report(md: ModelDeployment, situation: Situation) -> str:
    """Return the whole answer for one valid manifest."""
    facts = _facts(md, situation)
    plan = _plan(md, facts.model, situation)
    pod = _pod(plan, facts)
    resolve = render_job(resolve_job(md, situation.platform))
    lines = [f"ModelDeployment {md.key} is valid. Nothing is applied.", ""]
    for field in situation.unknown_fields:
        lines += [f"Careful: {field} is not known to this version and would be left out.", ""]
    if barred := obstacle(md, facts.model, situation.platform):
        lines += [f"Careful: the operator would begin nothing of this, {barred.reason}: {barred.message}", ""]
    lines += ["The operator would see to these objects:"]
    lines += table([("KIND", "NAME", "NOW", "FOR"), *_objects(md, plan, facts, situation)], indent="  ")
    lines += ["", facts.words]
    if _is_asked_for(md, facts):
        lines += ["", "A replica asks the scheduler for:", *_memory(pod), "", *_fit(md, plan, pod, facts, situation)]
    else:
        asked = resolve["spec"]["template"]["spec"]
        lines += ["", "Where the resolve Job fits:", *fit_lines(situation.reading, asked, replicas=1)]
    return "\n".join([*lines, *(f"\nNote: {note}" for note in situation.notes)])


def _facts(md: ModelDeployment, situation: Situation) -> _Facts:
    """Return what is known of the model: the command line's word first, since it asks "what if"."""
    asks = f"finds out what {md.spec.model.uri} is"
    if (assumed := situation.assumption) is not None:
        kind = assumed.dtype or "an unknown type, counted as two bytes a weight"
        words = f"The model is taken to be {size(assumed.size_bytes)} of weights in {kind}, as the command line says."
        return _Facts(_assumed(md, assumed), exact=False, sized=True, words=words, asks=asks)
    recorded = recorded_model(situation.live.model.get("status", {})) if situation.live else None
    if recorded is not None and recorded.input_hash == input_hash(md.spec.model):
        return _known(md, recorded)
    again = "spec.model differs from what was resolved before. " if recorded else ""
    need = "the disk" if md.spec.runtime.resources else "memory and disk"
    words = (
        f"{again}Size and type of the model, and so {need} of a replica, are known only after the resolve Job has "
        "answered; to plan with a guess: --bytes and --dtype."
    )
    return _Facts(_assumed(md, Assumption(0, "")), exact=False, sized=False, words=words, asks=asks)


def _known(md: ModelDeployment, recorded: ResolvedModel) -> _Facts:
    """Return the facts of status, which stay in force while a new value of the annotation asks for them again."""
    words = (
        f"The model was resolved before: {size(recorded.size_bytes)} of {recorded.dtype or 'unknown'} weights, "
        f"{recorded.task}, {recorded.architecture or 'unknown architecture'}."
    )
    if not asks_again(recorded, refresh_hash(md.refresh)):
        return _Facts(recorded, exact=True, sized=True, words=words, asks="")
    more = (
        f" The value of {ANNOTATION_REFRESH} is new: what the model is now is asked again, and this holds until the "
        "answer is there. Another answer makes another revision."
    )
    asks = f"finds out whether {md.spec.model.uri} is still the same"
    return _Facts(recorded, exact=True, sized=True, words=f"{words}{more}", asks=asks)


def _assumed(md: ModelDeployment, assumption: Assumption) -> ResolvedModel:
    """Return facts for the planner; revision and digest are not known, so names over them are never shown."""
    return ResolvedModel.model_validate(
        {
            "inputHash": input_hash(md.spec.model),
            "revision": "",
            "digest": _NO_DIGEST,
            "bytes": assumption.size_bytes,
            "task": md.spec.model.task,
            "dtype": assumption.dtype,
        }
    )


def _plan(md: ModelDeployment, model: ResolvedModel, situation: Situation) -> Plan:
    live = situation.live
    deployments = tuple(deployment_facts(body) for body in live.deployments) if live else ()
    service = next(iter(live.services), None) if live else None
    selected = selected_revision(service)
    return make_plan(md, model, situation.platform, deployments=deployments, selected_revision=selected)


def _is_asked_for(md: ModelDeployment, facts: _Facts) -> bool:
    """Return whether it is known what a replica asks for: from the model's size, or from the spec's own word."""
    return facts.sized or md.spec.runtime.resources is not None


def _objects(md: ModelDeployment, plan: Plan, facts: _Facts, situation: Situation) -> Iterator[tuple[str, ...]]:
    """Yield kind, name, whether it is there, and what it is for."""
    for child in children(plan):
        if child.resource == DEPLOYMENT:
            yield from _resolve_job(md, facts, situation)
            name = child.name if facts.exact else f"{md.metadata.name}-{_HASH}"
            there = _there(DEPLOYMENT, name, situation)
            yield DEPLOYMENT.kind, name, there, f"{counted(md.spec.replicas, 'replica')} of {md.served_name}"
            yield from _older(name, situation.live)
        elif child.manifest is not None:
            what = url(md.key) if child.resource == SERVICE else _FOR[child.resource]
            yield child.resource.kind, child.name, _there(child.resource, child.name, situation), what
        elif _is_there(child, situation):
            yield child.resource.kind, child.name, "there", "goes: there is no more need of it"


def _resolve_job(md: ModelDeployment, facts: _Facts, situation: Situation) -> Iterator[tuple[str, ...]]:
    """Yield the Job that asks what the model is, unless that is known and nobody wants to know it anew."""
    if facts.asks:
        name = resolve_job(md, situation.platform).name
        yield JOB.kind, name, _there(JOB, name, situation), facts.asks


def _older(name: str, live: Evidence | None) -> Iterator[tuple[str, ...]]:
    """Yield the Deployment that serves now and would go."""
    if live is None:
        return
    serving = selected_revision(next(iter(live.services), None))
    for facts in map(deployment_facts, live.deployments):
        if facts.revision == serving and facts.name != name:
            yield "Deployment", facts.name, "there", "serves until the new one has all its replicas, then goes to zero"


def _is_there(child: Child, situation: Situation) -> bool:
    return (child.resource.kind, child.name) in (situation.present or ())


def _there(resource: Resource, name: str, situation: Situation) -> str:
    live = situation.live
    known = {
        DEPLOYMENT: live.deployments if live else (),
        JOB: live.jobs if live else (),
        SERVICE: live.services if live else (),
    }
    if resource in known:
        return "there" if any(_is(body, name) for body in known[resource]) else "new"
    if situation.present is None:
        return "unknown"
    return "there" if (resource.kind, name) in situation.present else "new"


def _pod(plan: Plan, facts: _Facts) -> Body:
    """Return the pod of a replica; without a size nothing is known of its disk."""
    pod: Body = render_deployment(plan.revision)["spec"]["template"]["spec"]
    if facts.sized:
        return pod
    return {**pod, **{kind: [_without_disk(entry) for entry in pod[kind]] for kind in ("initContainers", "containers")}}


def _without_disk(container: Body) -> Body:
    asked = container.get("resources") or {}
    halves = {
        half: {name: amount for name, amount in amounts.items() if name != "ephemeral-storage"}
        for half, amounts in asked.items()
    }
    return {**container, "resources": halves}


def _memory(pod: Body) -> list[str]:
    first = [(f"{container['name']} (first)", container) for container in pod.get("initContainers", ())]
    rows = [(name, *_asked(container)) for name, container in (*first, *((c["name"], c) for c in pod["containers"]))]
    whole = {name: amount for name, amount in pod_requests(pod).items() if name != "pods"}
    total = ", ".join(written(name, amount) for name, amount in sorted(whole.items()))
    return [*table(rows, indent="  "), f"  together {total}"]


def _asked(container: Body) -> tuple[str, str]:
    asked = ", ".join(written(name, amount) for name, amount in sorted(container_requests(container).items()))
    limit = (container.get("resources") or {}).get("limits", {}).get("memory")
    return asked or "nothing", f"memory limit {limit}" if limit else "no memory limit"


def _fit(md: ModelDeployment, plan: Plan, pod: Body, facts: _Facts, situation: Situation) -> list[str]:
    """Return where the replicas that are not there yet fit, beside all that runs now."""
    deployments = situation.live.deployments if situation.live and facts.exact else ()
    running = sum(body.get("status", {}).get("replicas", 0) for body in deployments if _is(body, plan.revision.name))
    missing = md.spec.replicas - running
    if missing <= 0:
        return [f"No new replica is needed: {running} of {md.spec.replicas} are there."]
    return ["Where it fits, beside all that runs now:", *fit_lines(situation.reading, pod, replicas=missing)]


def _is(body: Body, name: str) -> bool:
    return bool(body["metadata"]["name"] == name)
