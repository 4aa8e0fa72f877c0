"""Checked spec + resolved facts → plan. All defaults are resolved here, so that the renderers decide nothing.

Pure; called by the reconciler: `resolve_job` first, and once the Job has answered `make_plan`.
"""

from collections.abc import Iterable

from nereid_operator.api.model_deployment import CLAIM_SCHEME, Model, ModelDeployment
from nereid_operator.api.model_deployment import ModelCache as ModelCacheSpec
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.quantities import quantity
from nereid_operator.observe import DeploymentFacts, Meanwhile
from nereid_operator.plan import capacity
from nereid_operator.plan.engine import planned_accelerator, planned_batching, planned_dtype, planned_vllm
from nereid_operator.plan.ir import (
    CaBundle,
    ModelCache,
    ModelSource,
    Owner,
    Plan,
    Platform,
    ResolveJob,
    Revision,
    Rollout,
    Surroundings,
    Timing,
    Upkeep,
    Workload,
)
from nereid_operator.plan.names import (
    alias,
    deployment_name,
    egress_hash,
    input_hash,
    refresh_hash,
    resolve_job_name,
    revision_hash,
)
from nereid_operator.plan.overlay import pod_overlay, resolve_placement
from nereid_operator.plan.rollout import keep, roll_out

RESOLVE_RETRIES = 2
RESOLVE_DEADLINE_SECONDS = 600
# A claim's files are all read when no SHA256SUMS lies beside them: 140 GB at 20 MB/s.
RESOLVE_CLAIM_DEADLINE_SECONDS = 7200
DRAIN_SECONDS = 60
MAX_UNAVAILABLE = 1


def resolve_job(md: ModelDeployment, platform: Platform, *, kept: int | None = None) -> ResolveJob:
    """Return the Job that answers what the model is; `kept` is how many pods serve until then, None for nothing."""
    model, placement = md.spec.model, resolve_placement(md.spec.pod, platform.image_pull_secrets)
    refresh = refresh_hash(md.refresh)
    source = _source(model, platform, revision=model.revision, digest=model.digest)
    return ResolveJob(
        owner=_owner(md),
        name=resolve_job_name(
            md.metadata.name, model, platform.image.name, placement, platform.proxy, source.ca_bundle, refresh=refresh
        ),
        input_hash=input_hash(model),
        refresh_hash=refresh,
        egress_hash=egress_hash(platform.egress),
        source=source,
        task=str(model.task),
        image=platform.image,
        retries=RESOLVE_RETRIES,
        deadline_seconds=RESOLVE_CLAIM_DEADLINE_SECONDS if source.claim else RESOLVE_DEADLINE_SECONDS,
        attempt=1,
        placement=placement,
        proxy=platform.proxy,
        meanwhile=None if kept is None else Meanwhile(md.spec.replicas, kept),
    )


def make_plan(
    md: ModelDeployment,
    resolved: ResolvedModel,
    platform: Platform,
    *,
    deployments: Iterable[DeploymentFacts],
    selected_revision: str,
) -> Plan:
    """Return everything that is to be; `deployments` and `selected_revision` say how far the rollout is."""
    workload = make_workload(md, resolved, platform)
    revision = revision_hash(workload)
    owner, runtime = _owner(md), md.spec.runtime
    rollout = roll_out(owner.name, revision, deployments, replicas=md.spec.replicas, selected=selected_revision)
    return Plan(
        owner=owner,
        surroundings=Surroundings(owner, platform.network, platform.egress),
        revision=Revision(
            owner=owner,
            name=deployment_name(owner.name, revision),
            hash=revision,
            workload=workload,
            image_pull_policy=platform.image.pull_policy,
            storage=capacity.storage(resolved.size_bytes),
            shared_memory=capacity.shared_memory(runtime, workload.triton),
            triton=capacity.with_shared_memory(runtime, workload.triton),
            kv_cache_bytes=capacity.kv_cache_bytes(runtime, workload.accelerator, resolved),
            alias=_alias(md),
        ),
        replicas=md.spec.replicas,
        rollout=rollout,
        max_unavailable=_max_unavailable(owner.name, rollout),
    )


def make_upkeep(owner: Owner, serving: DeploymentFacts, *, wanted: int | None, most: int | None) -> Upkeep:
    """Return what goes on without a plan; `wanted` and `most` as in rollout.keep."""
    rollout = keep(serving, wanted=wanted, most=most)
    return Upkeep(owner, rollout, _max_unavailable(owner.name, rollout))


def make_workload(md: ModelDeployment, resolved: ResolvedModel, platform: Platform) -> Workload:
    """Return what makes the pods what they are."""
    runtime = md.spec.runtime
    accelerator = planned_accelerator(runtime)
    return Workload(
        source=_source(md.spec.model, platform, revision=resolved.revision, digest=resolved.digest),
        task=str(resolved.task),
        served_name=md.served_name,
        batching=planned_batching(runtime.batching),
        prepare=capacity.PREPARE,
        triton=capacity.triton_resources(runtime, accelerator, resolved),
        frontend=capacity.FRONTEND,
        timing=Timing(capacity.startup_seconds(resolved.size_bytes), DRAIN_SECONDS),
        image_name=platform.image.name,
        pod=pod_overlay(md.spec.pod, platform.image_pull_secrets),
        proxy=platform.proxy,
        accelerator=accelerator,
        cache=_cache(md.spec.model.cache),
        dtype=planned_dtype(runtime),
        response_cache_bytes=capacity.response_cache_bytes(runtime),
        vllm=planned_vllm(runtime, platform.vllm_image),
    )


def _alias(md: ModelDeployment) -> str | None:
    """Return the name that is the model's alone in the cluster; None where it is the served name already."""
    full_name = alias(md.key)
    return None if full_name == md.served_name else full_name


def _max_unavailable(name: str, rollout: Rollout) -> int | None:
    """Return one where several pods serve; with one alone, no node could be drained."""
    serving = deployment_name(name, rollout.stable)
    replicas = sum(target.replicas for target in rollout.targets if target.deployment == serving)
    return MAX_UNAVAILABLE if replicas > MAX_UNAVAILABLE else None


def _owner(md: ModelDeployment) -> Owner:
    return Owner(md.metadata.name, md.metadata.namespace, md.metadata.uid)


def _source(model: Model, platform: Platform, *, revision: str | None, digest: str | None) -> ModelSource:
    claim = _claim(model)
    return ModelSource(
        uri=model.uri,
        revision=revision,
        digest=digest,
        endpoint=model.source.endpoint if model.source else None,
        region=model.source.region if model.source else None,
        credentials_secret=model.credentials.secret_name if model.credentials else None,
        # The platform's certificates need not be in a namespace whose models contact nobody.
        ca_bundle=_ca_bundle(model) or (None if claim else platform.ca_bundle),
        claim=claim,
        file=model.file,
    )


def _cache(spec: ModelCacheSpec | None) -> ModelCache | None:
    if spec is None:
        return None
    return ModelCache(spec.claim_name, None if spec.size is None else int(quantity(spec.size)))


def _claim(model: Model) -> str | None:
    if not model.uri.startswith(CLAIM_SCHEME):
        return None
    return model.uri.removeprefix(CLAIM_SCHEME).partition("/")[0]


def _ca_bundle(model: Model) -> CaBundle | None:
    bundle = model.source.ca_bundle if model.source else None
    return CaBundle(bundle.config_map_name, bundle.key) if bundle else None
