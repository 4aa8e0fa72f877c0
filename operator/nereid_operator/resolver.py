"""What is the model? Reads it from status, or asks by a Job and reads the Job's answer. Called by reconciler.py.

The decision is plan/resolution.py's; here are the reads and writes it calls for.
"""

import logging
from dataclasses import dataclass

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import recorded_model
from nereid_operator.api.resources import JOB, LABEL_JOB_NAME, POD, Body
from nereid_operator.observe import JobFacts, job_facts, pod_facts
from nereid_operator.plan.ir import Image, ResolveJob
from nereid_operator.plan.planner import resolve_job
from nereid_operator.plan.resolution import (
    NotAsked,
    ReportLost,
    Resolution,
    Resolving,
    failed_silently,
    resolution,
)
from nereid_operator.render.job import job as render_job
from nereid_operator.writer import Writer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Finds out what the model of one ModelDeployment is."""

    writer: Writer
    image: Image

    async def resolve(self, md: ModelDeployment, status: Body) -> Resolution:
        """Return what is known of the model, asking by a Job when nothing is."""
        job = resolve_job(md, self.image)
        await self._delete_other_jobs(job)
        live = self.writer.cache.child(JOB, md.key, job.name)
        facts = None if live is None else job_facts(live)
        found = resolution(recorded_model(status), facts, self.writer.cache.pods(md.key), input_hash=job.input_hash)
        if isinstance(found, NotAsked):
            await self.writer.ensure_created(JOB, render_job(job))
            return Resolving(job.name)
        if isinstance(found, ReportLost) and facts is not None:
            return await self._look_for_report(job, facts)
        return found

    async def _look_for_report(self, job: ResolveJob, facts: JobFacts) -> Resolution:
        """Read the pods of a Job that ended from the server; when the report of a success is gone, ask again."""
        namespace = self.writer.key.namespace
        pods = await self.writer.kube.list(POD, namespace=namespace, selector=f"{LABEL_JOB_NAME}={job.name}")
        found = resolution(None, facts, map(pod_facts, pods.items), input_hash=job.input_hash)
        if not isinstance(found, ReportLost):
            return found
        if facts.failed:
            return failed_silently(facts)
        _log.info("%s: Job %s succeeded but its pod is gone, asking again", self.writer.key, job.name)
        await self.writer.delete(JOB, job.name)
        return Resolving(job.name)

    async def _delete_other_jobs(self, job: ResolveJob) -> None:
        """Delete the Jobs of earlier specs and images; their answers are in status or no longer wanted."""
        for live in self.writer.cache.jobs(self.writer.key):
            if live["metadata"]["name"] != job.name:
                await self.writer.delete(JOB, live["metadata"]["name"])
