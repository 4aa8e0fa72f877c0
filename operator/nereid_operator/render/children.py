"""Plan → every object that is to be, each with its kind, in the order in which they are written. Pure.

The one list of a model's objects: the reconciler writes it, `nereid plan` shows it. The resolve Job stands in
render/job.py alone, because it is there only while something is asked.
"""

from dataclasses import dataclass

from nereid_operator.api.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    SERVICE_ACCOUNT,
    Resource,
)
from nereid_operator.plan.ir import Plan, Surroundings, Upkeep
from nereid_operator.plan.names import account_name, egress_name
from nereid_operator.render.account import service_account
from nereid_operator.render.budget import disruption_budget
from nereid_operator.render.egress import egress_config_map
from nereid_operator.render.metadata import Manifest
from nereid_operator.render.network import network_policy
from nereid_operator.render.workload import deployment, service


@dataclass(frozen=True, slots=True)
class Child:
    """An object of a model; without a manifest it shall not be there. A new Deployment starts with `replicas`."""

    resource: Resource
    name: str
    manifest: Manifest | None
    replicas: int | None = None


def surrounding(surroundings: Surroundings) -> tuple[Child, ...]:
    """Return what stands before the first pod, so that none runs a moment without it."""
    owner, network, egress = surroundings.owner, surroundings.network, surroundings.egress
    return (
        Child(SERVICE_ACCOUNT, account_name(owner.name), service_account(owner)),
        Child(NETWORK_POLICY, owner.name, None if network is None else network_policy(owner, network)),
        Child(CONFIG_MAP, egress_name(owner.name), None if egress is None else egress_config_map(owner, egress)),
    )


def deploying(plan: Plan) -> tuple[Child, ...]:
    """Return the pods of the wanted revision."""
    return (Child(DEPLOYMENT, plan.revision.name, deployment(plan.revision), plan.replicas),)


def serving(plan: Plan | Upkeep) -> tuple[Child, ...]:
    """Return the way to the pods that serve."""
    return (Child(SERVICE, plan.owner.name, service(plan.owner, plan.rollout.stable)),)


def protecting(plan: Plan | Upkeep) -> tuple[Child, ...]:
    """Return what comes last, so that nothing that serves waits for it."""
    unavailable = plan.max_unavailable
    budget = (
        None if unavailable is None else disruption_budget(plan.owner, plan.rollout.stable, max_unavailable=unavailable)
    )
    return (Child(POD_DISRUPTION_BUDGET, plan.owner.name, budget),)


def children(plan: Plan) -> tuple[Child, ...]:
    """Return all of them."""
    return (*surrounding(plan.surroundings), *deploying(plan), *serving(plan), *protecting(plan))
