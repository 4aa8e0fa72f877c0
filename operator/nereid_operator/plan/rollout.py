"""Which revision gets the requests, and how many pods each Deployment has. Pure; called by the planner.

New first, old removed when the new one serves. The Service's selector is the memory of what is stable, so a wiped
status changes nothing; going back A → B → A scales A's Deployment up again. Two revisions are kept, the second at zero.

    current ready?  no  → stable stays; the stable Deployment keeps its pods
                    yes → stable := current; every other Deployment goes to zero
    scaled meanwhile?  then stable is scaled too: nobody shall wait for a rollout that is stuck to get more pods. What
                    tells is the current Deployment, which was made with the replicas of its spec and is scaled last
    nothing of stable answers: current takes over with the first replica it has ready, and at once when stable never had
    all its replicas, because pods that cannot start may hold the very memory that the corrected ones wait for
"""

from collections.abc import Iterable

from nereid_operator.observe import DeploymentFacts, Meanwhile
from nereid_operator.plan.ir import ReplicaTarget, Rollout
from nereid_operator.plan.names import deployment_name


def roll_out(
    name: str, current: str, deployments: Iterable[DeploymentFacts], *, replicas: int, selected: str
) -> Rollout:
    """Return the next step. `selected` is the revision that the Service names now, or empty."""
    by_revision = {facts.revision: facts for facts in deployments}
    stable = _stable(current, by_revision, replicas=replicas, selected=selected)
    kept = {current, stable} if stable != current else {current, *_newest_other(current, by_revision.values())}
    scaled = _scaled(by_revision.get(current), replicas)
    others = [facts for facts in by_revision.values() if facts.revision in kept - {current}]
    return Rollout(
        current=current,
        stable=stable,
        targets=(
            *(ReplicaTarget(facts.name, _kept(facts, scaled) if facts.revision == stable else 0) for facts in others),
            ReplicaTarget(deployment_name(name, current), replicas),
        ),
        removed=tuple(sorted(facts.name for facts in by_revision.values() if facts.revision not in kept)),
    )


def keep(serving: DeploymentFacts, *, wanted: int | None, most: int | None) -> Rollout:
    """Return how the revision that serves goes on while nothing can be rolled out.

    `wanted` is how many pods it shall have, None to leave them as they are; beyond `most` none are added, and none that
    are wanted go: a limit takes nothing away.
    """
    replicas = serving.spec_replicas if wanted is None else wanted
    if most is not None:
        replicas = min(replicas, max(serving.spec_replicas, most))
    target = ReplicaTarget(serving.name, replicas)
    return Rollout(current=serving.revision, stable=serving.revision, targets=(target,), removed=())


def wanted_meanwhile(replicas: int, meanwhile: Meanwhile | None) -> int:
    """Return how many pods shall serve while a model is asked about: what came with the question is for its answer."""
    return meanwhile.kept if meanwhile is not None and meanwhile.replicas == replicas else replicas


def serving_deployment(
    deployments: Iterable[DeploymentFacts], *, selected: str, recorded: str
) -> DeploymentFacts | None:
    """Return the Deployment that requests go to: what the Service names or, where that is nothing, what status does."""
    by_revision = {facts.revision: facts for facts in deployments}
    return by_revision.get(selected) or by_revision.get(recorded)


def has_replicas(facts: DeploymentFacts | None, replicas: int) -> bool:
    """Return whether a revision has all its replicas ready, by a reading that is not stale."""
    if facts is None or not facts.observed:
        return False
    return min(facts.ready_replicas, facts.updated_replicas) >= replicas


def _scaled(current: DeploymentFacts | None, replicas: int) -> int | None:
    """Return the replicas that were asked for after the rollout to `current` began; None when none were."""
    return None if current is None or current.spec_replicas in (0, replicas) else replicas


def _kept(stable: DeploymentFacts, scaled: int | None) -> int:
    return stable.spec_replicas if scaled is None else scaled


def _stable(current: str, by_revision: dict[str, DeploymentFacts], *, replicas: int, selected: str) -> str:
    if has_replicas(by_revision.get(current), replicas):
        return current
    return selected if _is_kept(by_revision.get(selected), by_revision.get(current)) else current


def _is_kept(selected: DeploymentFacts | None, current: DeploymentFacts | None) -> bool:
    """Return whether requests go on to the selected revision while the current one is not ready."""
    if selected is None:
        return False
    if selected.ready_replicas > 0:
        return True
    return selected.completed and (current is None or current.ready_replicas == 0)


def _newest_other(current: str, deployments: Iterable[DeploymentFacts]) -> list[str]:
    others = sorted(
        (facts for facts in deployments if facts.revision != current), key=lambda facts: (facts.created, facts.name)
    )
    return [others[-1].revision] if others else []
