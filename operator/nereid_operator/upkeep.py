"""Looks after what serves while there is no plan for the newest spec: its pods, the way to them and their budget.

Called by reconciler.py when a spec is invalid, forbidden, not resolved or not fit for its model, and when account,
rules or the new Deployment are refused. plan/rollout.py decides how many pods there shall be. No part waits for another
that the cluster refuses.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nereid_operator.api.conditions import Reason
from nereid_operator.api.resources import DEPLOYMENT
from nereid_operator.errors import RefusalError, RejectedError
from nereid_operator.observe import DeploymentFacts, accelerators
from nereid_operator.plan.ir import Owner, Platform, Surroundings, Upkeep
from nereid_operator.plan.limits import Limits
from nereid_operator.plan.planner import make_upkeep
from nereid_operator.render.children import Child, protecting, serving, surrounding
from nereid_operator.status import Problem, Reading
from nereid_operator.writer import Writer


@dataclass(frozen=True, slots=True)
class Caretaker:
    """Cares for one ModelDeployment. `serving` is None when nothing has served, or its Deployment is gone.

    `platform` has the hosts and networks that the `limits` leave open.
    """

    writer: Writer
    platform: Platform
    limits: Limits
    serving: DeploymentFacts | None

    async def apply(self, children: Iterable[Child]) -> Problem | None:
        """Write every one, whatever becomes of the others; return the first that is refused."""
        problems = []
        for child in children:
            try:
                await self.writer.apply((child,))
            except (RefusalError, RejectedError) as error:
                problems.append(problem_of(error))
        return next(iter(problems), None)

    async def surround(self) -> Problem | None:
        """Write what has to be there before any pod; return what is refused."""
        return await self.apply(surrounding(self._surroundings))

    async def look_after(self, reading: Reading, wanted: int | None) -> Reading:
        """Go on without a plan, and return what was learnt; `wanted` is as in rollout.keep."""
        problem = reading.problem
        if reading.violations and self.limits.are_known and (self.serving or reading.pods):
            problem = await self.surround()
        if self.serving is None:
            return replace(reading, problem=problem)
        # No pod begins without its account and its rules.
        most = 0 if problem else self._most_replicas(self.serving)
        refused = await self._keep(make_upkeep(self._owner, self.serving, wanted=wanted, most=most))
        problem = problem or refused
        return replace(reading, problem=problem, stable=reading.stable if problem else self.serving.revision)

    async def _keep(self, upkeep: Upkeep) -> Problem | None:
        refused = await self.apply((*serving(upkeep), *protecting(upkeep)))
        try:
            for target in upkeep.rollout.targets:
                await self.writer.scale(target.deployment, target.replicas)
        except RejectedError as error:
            return problem_of(error)
        return refused

    def _most_replicas(self, serving: DeploymentFacts) -> int | None:
        """Return how many pods like those that serve are allowed, whatever the newest spec asks for."""
        live = self.writer.cache.child(DEPLOYMENT, self.writer.key, serving.name)
        return self.limits.most_replicas(0 if live is None else accelerators(live))

    @property
    def _surroundings(self) -> Surroundings:
        return Surroundings(self._owner, self.platform.network, self.platform.egress)

    @property
    def _owner(self) -> Owner:
        return Owner(self.writer.key.name, self.writer.key.namespace, self.writer.uid)


def problem_of(error: RefusalError | RejectedError) -> Problem:
    """Return what a refusal is called in status."""
    if isinstance(error, RefusalError):
        return Problem(error.reason, error.message)
    return Problem(Reason.APPLY_REFUSED, f"The API server refused {error.message}")
