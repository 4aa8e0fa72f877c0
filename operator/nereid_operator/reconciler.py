"""reconcile(): validate → judge → resolve → plan → render → apply → status, for one ModelDeployment.

Called by the work queue with a key. Safe to repeat: it looks at state, never at events, and writes only what differs.
A spec that is invalid, forbidden by a ServingPolicy, not resolved, not fit for its model or refused by the cluster ends
the pass before anything new begins, and what serves is looked after (upkeep.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from nereid_operator.api.model_deployment import ModelDeployment, wanted_replicas
from nereid_operator.api.model_status import recorded_stable
from nereid_operator.api.resources import DEPLOYMENT, LABEL_NAMESPACE, NAMESPACE, Body, Key
from nereid_operator.api.serving_policy import Policy
from nereid_operator.api.validation import validate
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.credentials import check_credentials
from nereid_operator.errors import RefusalError, RejectedError
from nereid_operator.observe import DeploymentFacts, PodFacts, deployment_facts, is_owned, selected_revision
from nereid_operator.outcome import Outcome, Result
from nereid_operator.plan.fitness import obstacle
from nereid_operator.plan.ir import Plan, Platform
from nereid_operator.plan.limits import limits
from nereid_operator.plan.planner import make_plan
from nereid_operator.plan.policy import governing, judge
from nereid_operator.plan.resolution import (
    JobRefused,
    NotAsked,
    Podless,
    Resolved,
    ResolveFailed,
    Resolving,
    still_asked,
)
from nereid_operator.plan.rollout import serving_deployment
from nereid_operator.policy_reporter import report_policy
from nereid_operator.progress import FetchProgress
from nereid_operator.render.children import deploying, protecting, serving
from nereid_operator.reporter import Reporter
from nereid_operator.resolver import Resolver
from nereid_operator.routing import Routing
from nereid_operator.status import Problem, Reading
from nereid_operator.status_writes import FIGURES_SECONDS
from nereid_operator.upkeep import Caretaker, problem_of
from nereid_operator.writer import Writer

# Nothing tells us when a quota is raised or a name becomes free, so a refused pass looks again by itself.
REFUSED_AGAIN_SECONDS = 30.0
# Nor that a Job goes on without a pod.
PODLESS_AGAIN_SECONDS = 6.0
# A failed Job that is due waits for nothing but its place in status.
DUE_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reconciler:
    """What a pass needs: what was seen, whom to write to, what the platform wants, how far fetches are, the time.

    `routing_of` tells how clients reach a model; None where there is no gateway.
    """

    cache: Cache
    kube: KubeClient
    platform: Platform
    reporter: Reporter
    fetch_of: Callable[[PodFacts], FetchProgress | None]
    routing_of: Callable[[Key], Routing | None]
    now: Callable[[], datetime]

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the cluster one step towards the spec."""
        if not key.namespace:
            await report_policy(key, cache=self.cache, kube=self.kube, now=self.now())
            return Outcome(Result.GONE if self.cache.policy(key) is None else Result.OK)
        body = self.cache.model_deployment(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            self.reporter.forget(key)
            return Outcome(Result.GONE)
        now = self.now()
        reading = await self._pass(key, body, now)
        report = await self.reporter.report(body, reading, now=now)
        due = [seconds for seconds in (report.put_off_seconds, *_again_seconds(reading, now)) if seconds is not None]
        result = Result.REFUSED if _is_refused(reading) else Result.OK
        return Outcome(result, min(due, default=None), report.reason, report.message)

    async def _pass(self, key: Key, body: Body, now: datetime) -> Reading:
        """Go from the spec to status as far as the state allows, and return what was learnt."""
        reading, policies = self._blank(key, body), await self._policies(key.namespace)
        allowed = limits(policies)
        writer = Writer(self.cache, self.kube, key, body["metadata"]["uid"])
        caretaker = Caretaker(writer, allowed.narrowed(self.platform), allowed, _serving(reading, body))
        valid = validate(body)
        if not isinstance(valid, ModelDeployment):
            return await caretaker.look_after(replace(reading, violations=valid), wanted_replicas(body))
        judgement = judge(valid, policies)
        reading = replace(reading, violations=judgement.violations, wanted_replicas=judgement.md.spec.replicas)
        if judgement.violations:
            return await caretaker.look_after(reading, judgement.md.spec.replicas)
        return await self._advance(caretaker, reading, judgement.md, body, now)

    async def _advance(
        self, caretaker: Caretaker, reading: Reading, md: ModelDeployment, body: Body, now: datetime
    ) -> Reading:
        """Resolve, plan and apply what is accepted."""
        if problem := await _sweep(caretaker.writer, body, now) or await caretaker.surround():
            return await caretaker.look_after(replace(reading, problem=problem), md.spec.replicas)
        resolver = Resolver(caretaker.writer, caretaker.platform, now, caretaker.serving)
        try:
            found = await resolver.resolve(md, body.get("status", {}))
            reading = replace(reading, resolution=found)
            if not isinstance(found, Resolved):
                return await caretaker.look_after(reading, resolver.wanted_meanwhile(md, found))
            if barred := obstacle(md, found.model, caretaker.platform):
                return await caretaker.look_after(replace(reading, obstacle=barred), md.spec.replicas)
            plan = self._plan(md, caretaker.platform, found, caretaker.serving)
            reading = replace(reading, plan=plan)
            if problem := await _deploy(caretaker, plan):
                return replace(await caretaker.look_after(reading, md.spec.replicas), problem=problem)
            await _roll_out(caretaker.writer, plan)
        except (RefusalError, RejectedError) as error:
            return replace(reading, problem=problem_of(error))
        return replace(reading, stable=plan.rollout.stable, deployments=self._deployments(md.key, md.metadata.uid))

    async def _policies(self, namespace: str) -> tuple[Policy, ...]:
        """Return the policies of a namespace; one so new that no watch has told of it is read from the server."""
        policies = self.cache.policies()
        if policies and self.cache.namespace_labels(namespace) is None:
            listing = await self.kube.list(NAMESPACE, selector=f"{LABEL_NAMESPACE}={namespace}")
            for body in listing.items:
                self.cache.put(NAMESPACE, body)
        return governing(policies, self.cache.namespace_labels(namespace) or {LABEL_NAMESPACE: namespace})

    def _blank(self, key: Key, body: Body) -> Reading:
        """Return what is known before anything is asked."""
        return Reading(
            key=key,
            generation=body["metadata"].get("generation", 1),
            wanted_replicas=0,
            violations=(),
            resolution=NotAsked(),
            problem=None,
            plan=None,
            stable=selected_revision(self.cache.service(key)),
            deployments=self._deployments(key, body["metadata"]["uid"]),
            pods=tuple(replace(pod, fetch=self.fetch_of(pod)) for pod in self.cache.pods(key)),
            routing=self.routing_of(key),
        )

    def _plan(self, md: ModelDeployment, platform: Platform, found: Resolved, serving: DeploymentFacts | None) -> Plan:
        return make_plan(
            md,
            found.model,
            platform,
            deployments=self._deployments(md.key, md.metadata.uid),
            selected_revision=serving.revision if serving else "",
        )

    def _deployments(self, key: Key, uid: str) -> tuple[DeploymentFacts, ...]:
        return tuple(deployment_facts(body) for body in self.cache.deployments(key) if is_owned(body, uid))


def _serving(reading: Reading, body: Body) -> DeploymentFacts | None:
    recorded = recorded_stable(body.get("status", {}))
    return serving_deployment(reading.deployments, selected=reading.stable, recorded=recorded)


def _again_seconds(reading: Reading, now: datetime) -> Iterator[float]:
    """Yield after how many seconds passes are due that no event will ask for."""
    if _is_refused(reading):
        yield REFUSED_AGAIN_SECONDS
    asked = still_asked(reading.resolution)
    if isinstance(asked, ResolveFailed) and asked.again_at is not None:
        yield max((asked.again_at - now).total_seconds(), DUE_AGAIN_SECONDS)
    if isinstance(asked, Resolving | Podless) and not _has_pod(reading, asked.job):
        yield PODLESS_AGAIN_SECONDS
    if any(pod.fetch is not None for pod in reading.pods):
        yield FIGURES_SECONDS


def _is_refused(reading: Reading) -> bool:
    return reading.problem is not None or isinstance(still_asked(reading.resolution), JobRefused)


def _has_pod(reading: Reading, job: str) -> bool:
    return any(pod.job == job for pod in reading.pods)


async def _sweep(writer: Writer, body: Body, now: datetime) -> Problem | None:
    """Delete what an earlier model of the name left; return what is refused."""
    try:
        await writer.sweep(body, now=now)
    except RejectedError as error:
        return problem_of(error)
    return None


async def _deploy(caretaker: Caretaker, plan: Plan) -> Problem | None:
    """Write the pods of the wanted revision, new ones when what they mount may be mounted; return what is refused."""
    writer, revision = caretaker.writer, plan.revision
    try:
        if writer.cache.child(DEPLOYMENT, writer.key, revision.name) is None:
            await check_credentials(writer, revision.workload.source)
    except RefusalError as error:
        return problem_of(error)
    return await caretaker.apply(deploying(plan))


async def _roll_out(writer: Writer, plan: Plan) -> None:
    """Write what follows the newest pods: the Service before those go that it leaves behind."""
    await writer.apply(serving(plan))
    for target in plan.rollout.targets:
        await writer.scale(target.deployment, target.replicas)
    for name in plan.rollout.removed:
        await writer.delete(DEPLOYMENT, name)
    await writer.apply(protecting(plan))
