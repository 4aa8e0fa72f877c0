"""What is the model? Reads it from status, or asks by a Job and reads the Job's answer. Called by reconciler.py.

The decision is plan/resolution.py's; here are the reads and writes it calls for.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from nereid_operator.api.conditions import EGRESS_REFUSED
from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel, failed_attempts, recorded_model
from nereid_operator.api.resources import EVENT, JOB, LABEL_JOB_NAME, POD, Body
from nereid_operator.credentials import check_credentials
from nereid_operator.errors import RefusalError
from nereid_operator.observe import DeploymentFacts, JobFacts, is_owned, job_facts, pod_facts, refused_pod
from nereid_operator.plan.ir import Platform, ResolveJob
from nereid_operator.plan.planner import resolve_job
from nereid_operator.plan.resolution import (
    JobRefused,
    NotAsked,
    Podless,
    ReportLost,
    Resolution,
    ResolveFailed,
    Resolving,
    failed_silently,
    is_podless,
    kept,
    resolution,
)
from nereid_operator.plan.rollout import wanted_meanwhile
from nereid_operator.render.job import job as render_job
from nereid_operator.writer import Writer

_log = logging.getLogger(__name__)

# The Job controller's reason of an Event.
_POD_REFUSED = "FailedCreate"


@dataclass(frozen=True, slots=True)
class Resolver:
    """Finds out what the model of one ModelDeployment is."""

    writer: Writer
    platform: Platform
    now: datetime
    serving: DeploymentFacts | None

    async def resolve(self, md: ModelDeployment, status: Body) -> Resolution:
        """Return what is known of the model, asking by a Job when nothing is."""
        job, recorded = self._job(md), recorded_model(status)
        await self._delete_other_jobs(job)
        try:
            found = await self._ask(job, recorded, failed=failed_attempts(status, job.name))
        except RefusalError as refusal:
            # A value, since it must not end the pass of a model that is known and only to be refreshed.
            found = JobRefused(refusal.reason, refusal.message)
        return kept(recorded, found, input_hash=job.input_hash)

    def wanted_meanwhile(self, md: ModelDeployment, found: Resolution) -> int | None:
        """Return how many pods shall go on serving without an answer; None for as many as there are.

        A Job that is not there while it is at work goes to make room for the next, and what it remembered with it.
        """
        facts = self._facts(self._job(md))
        if facts is None and isinstance(found, Resolving):
            return None
        return wanted_meanwhile(md.spec.replicas, facts.meanwhile if facts else None)

    def _job(self, md: ModelDeployment) -> ResolveJob:
        return resolve_job(md, self.platform, kept=None if self.serving is None else self.serving.spec_replicas)

    async def _ask(self, job: ResolveJob, recorded: ResolvedModel | None, *, failed: int) -> Resolution:
        """Return what the Job says, making it where there is none and the question is still open.

        `failed` is how many attempts status remembers: a Job that failed is deleted only when it is among them, so that
        the count outlives whatever keeps the next one from being created.
        """
        facts, pods = self._facts(job), self.writer.cache.pods(self.writer.key)
        found = resolution(recorded, facts, pods, input_hash=job.input_hash, refresh_hash=job.refresh_hash)
        if isinstance(found, NotAsked):
            await check_credentials(self.writer, job.source)
            await self.writer.ensure_created(JOB, render_job(replace(job, attempt=failed + 1)))
            return Resolving(job.name)
        if facts is None:
            return found
        if isinstance(found, ReportLost):
            found = await self._look_for_report(job, facts)
        if isinstance(found, Resolving) and is_podless(facts, pods, now=self.now):
            return Podless(job.name, await self._refused_pod(facts))
        if isinstance(found, ResolveFailed) and self._is_due(found, facts, job) and failed >= facts.attempt:
            _log.info("%s: asking again after %s, attempt %d failed", self.writer.key, found.reason, facts.attempt)
            await self.writer.delete(JOB, job.name)
            return Resolving(job.name)
        return found

    def _facts(self, job: ResolveJob) -> JobFacts | None:
        live = self.writer.cache.child(JOB, self.writer.key, job.name)
        return job_facts(live) if live is not None and is_owned(live, self.writer.uid) else None

    def _is_due(self, found: ResolveFailed, facts: JobFacts, job: ResolveJob) -> bool:
        """Return whether to ask again; at once where policies allow something else than what they refused."""
        other_egress = found.reason == EGRESS_REFUSED and facts.egress_hash != job.egress_hash
        return other_egress or found.is_due(self.now)

    async def _look_for_report(self, job: ResolveJob, facts: JobFacts) -> Resolution:
        """Read the pods of a Job that ended from the server; when the report of a success is gone, ask again."""
        namespace = self.writer.key.namespace
        listing = await self.writer.kube.list(POD, namespace=namespace, selector=f"{LABEL_JOB_NAME}={job.name}")
        pods = [pod_facts(body) for body in listing.items]
        found = resolution(None, facts, pods, input_hash=job.input_hash, refresh_hash=job.refresh_hash)
        if not isinstance(found, ReportLost):
            return found
        if facts.failed:
            return failed_silently(facts, pods)
        _log.info("%s: Job %s succeeded but its pod is gone, asking again", self.writer.key, job.name)
        await self.writer.delete(JOB, job.name)
        return Resolving(job.name)

    async def _refused_pod(self, facts: JobFacts) -> str:
        """Return why the Job cannot create its pod, which no status says."""
        fields = f"involvedObject.uid={facts.uid},reason={_POD_REFUSED}"
        listing = await self.writer.kube.list(EVENT, namespace=self.writer.key.namespace, fields=fields)
        return refused_pod(listing.items)

    async def _delete_other_jobs(self, job: ResolveJob) -> None:
        """Delete the Jobs of earlier specs and images; their answers are in status or no longer wanted."""
        for live in self.writer.cache.jobs(self.writer.key):
            if live["metadata"]["name"] != job.name:
                await self.writer.delete(JOB, live["metadata"]["name"])
