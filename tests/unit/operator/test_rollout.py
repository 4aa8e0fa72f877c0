"""Which revision is stable, how many pods each has, and what is removed."""

from dataclasses import dataclass

import pytest

from nereid_operator.observe import DeploymentFacts, Meanwhile
from nereid_operator.plan.ir import ReplicaTarget
from nereid_operator.plan.rollout import keep, roll_out, serving_deployment, wanted_meanwhile


def _deployment(
    revision: str,
    *,
    ready: int = 0,
    spec: int = 1,
    created: str = "1",
    observed: bool = True,
    completed: bool = True,
):
    return DeploymentFacts(
        name=f"m-{revision}",
        revision=revision,
        created=created,
        observed=observed,
        completed=completed,
        spec_replicas=spec,
        replicas=spec,
        updated_replicas=ready,
        ready_replicas=ready,
        replica_failure="",
    )


@dataclass(frozen=True)
class Case:
    current: str
    deployments: tuple[DeploymentFacts, ...]
    selected: str
    stable: str
    targets: dict[str, int]
    removed: tuple[str, ...] = ()
    replicas: int = 1


CASES = {
    "the first revision": Case("a", (), "", "a", {"m-a": 1}),
    "the old one serves while the new one starts": Case(
        "b", (_deployment("a", ready=1), _deployment("b")), "a", "a", {"m-b": 1, "m-a": 1}
    ),
    "the old one goes to zero when the new one is ready": Case(
        "b", (_deployment("a", ready=1), _deployment("b", ready=1)), "a", "b", {"m-b": 1, "m-a": 0}
    ),
    "one of two ready is not ready": Case(
        "b",
        (_deployment("a", ready=2, spec=2), _deployment("b", ready=1, spec=2)),
        "a",
        "a",
        {"m-b": 2, "m-a": 2},
        replicas=2,
    ),
    "a reading that is stale is not ready": Case(
        "b", (_deployment("a", ready=1), _deployment("b", ready=1, observed=False)), "a", "a", {"m-b": 1, "m-a": 1}
    ),
    "back to the old one in the middle of a rollout": Case(
        "a", (_deployment("a", ready=1), _deployment("b")), "a", "a", {"m-a": 1, "m-b": 0}
    ),
    "back to the old one after the rollout": Case(
        "a", (_deployment("a", spec=0), _deployment("b", ready=1)), "b", "b", {"m-a": 1, "m-b": 1}
    ),
    "an old one that never served makes room": Case(
        "b", (_deployment("a", completed=False), _deployment("b")), "a", "b", {"m-b": 1, "m-a": 0}
    ),
    "an old one that never had all its replicas serves with those it has": Case(
        "b",
        (_deployment("a", ready=1, spec=2, completed=False), _deployment("b")),
        "a",
        "a",
        {"m-b": 2, "m-a": 2},
        replicas=2,
    ),
    "an old one that is down for the moment is waited for": Case(
        "b", (_deployment("a"), _deployment("b")), "a", "a", {"m-b": 1, "m-a": 1}
    ),
    "an old one that is down does not keep a new one from answering with what it has": Case(
        "b",
        (_deployment("a", spec=2), _deployment("b", ready=1, spec=2)),
        "a",
        "b",
        {"m-b": 2, "m-a": 0},
        replicas=2,
    ),
    "of three quick edits the middle one is removed": Case(
        "c",
        (_deployment("a", ready=1), _deployment("b", created="2"), _deployment("c", created="3")),
        "a",
        "a",
        {"m-c": 1, "m-a": 1},
        ("m-b",),
    ),
    "the oldest of three is removed after the rollout": Case(
        "c",
        (_deployment("a", spec=0), _deployment("b", spec=0, created="2"), _deployment("c", ready=1, created="3")),
        "c",
        "c",
        {"m-c": 1, "m-b": 0},
        ("m-a",),
    ),
    "the Service names a revision that is gone": Case("b", (_deployment("b"),), "a", "b", {"m-b": 1}),
    "scaled while the new one does not start, the old one grows": Case(
        "b", (_deployment("a", ready=1), _deployment("b")), "a", "a", {"m-a": 3, "m-b": 3}, replicas=3
    ),
    "scaled while the new one does not start, the old one shrinks": Case(
        "b", (_deployment("a", ready=3, spec=3), _deployment("b", spec=3)), "a", "a", {"m-a": 2, "m-b": 2}, replicas=2
    ),
    "replicas that came with the edit are for the new one": Case(
        "b", (_deployment("a", ready=1), _deployment("b", spec=3)), "a", "a", {"m-a": 1, "m-b": 3}, replicas=3
    ),
    "back to one that was kept at zero, with other replicas": Case(
        "a", (_deployment("a", spec=0), _deployment("b", ready=1)), "b", "b", {"m-b": 1, "m-a": 2}, replicas=2
    ),
    "zero replicas are ready at once": Case(
        "b", (_deployment("a", ready=1), _deployment("b", spec=0)), "a", "b", {"m-b": 0, "m-a": 0}, replicas=0
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_rollout(case: Case):
    rollout = roll_out("m", case.current, case.deployments, replicas=case.replicas, selected=case.selected)
    assert rollout.stable == case.stable
    assert {target.deployment: target.replicas for target in rollout.targets} == case.targets
    assert rollout.removed == case.removed


def test_the_current_one_is_scaled_last_for_it_tells_that_others_are_to_be_scaled():
    rollout = roll_out("m", "b", (_deployment("a", ready=1), _deployment("b")), replicas=3, selected="a")
    assert [target.deployment for target in rollout.targets] == ["m-a", "m-b"]


KEPT: dict[str, tuple[int, int | None, int | None, int]] = {
    "pods that are as many as are wanted stay": (2, 2, None, 2),
    "scaled up without a limit": (1, 3, None, 3),
    "scaled up to the limit and no farther": (1, 3, 2, 2),
    "what is beyond the limit already is not taken away": (5, 5, 2, 5),
    "what is beyond the limit may shrink": (5, 3, 2, 3),
    "nor does it grow": (5, 6, 2, 5),
    "scaled to zero by hand": (0, 2, None, 2),
    "scaled to zero by hand under a limit": (0, 3, 2, 2),
    "scaled up by hand": (9, 2, 5, 2),
    "scaled to zero in the spec": (2, 0, 1, 0),
    "nothing may be added": (1, 3, 0, 1),
    "nothing is known of what is wanted": (3, None, None, 3),
    "nothing is known and the limit is lower": (3, None, 1, 3),
}


@pytest.mark.parametrize(("there", "wanted", "most", "expected"), KEPT.values(), ids=KEPT)
def test_what_serves_is_kept(there: int, wanted: int | None, most: int | None, expected: int):
    rollout = keep(_deployment("a", spec=there), wanted=wanted, most=most)
    assert rollout.targets == (ReplicaTarget("m-a", expected),)
    assert (rollout.current, rollout.stable, rollout.removed) == ("a", "a", ())


MEANWHILE: dict[str, tuple[int, Meanwhile | None, int]] = {
    "nothing is remembered": (3, None, 3),
    "the edit of the model changed no replicas": (2, Meanwhile(replicas=2, kept=2), 2),
    "replicas that came with the edit are for the new model": (3, Meanwhile(replicas=3, kept=1), 1),
    "scaled after the edit": (5, Meanwhile(replicas=3, kept=1), 5),
}


@pytest.mark.parametrize(("replicas", "meanwhile", "expected"), MEANWHILE.values(), ids=MEANWHILE)
def test_how_many_serve_while_a_model_is_asked_about(replicas: int, meanwhile: Meanwhile | None, expected: int):
    assert wanted_meanwhile(replicas, meanwhile) == expected


SERVING: dict[str, tuple[str, str, str | None]] = {
    "what the Service names": ("a", "b", "a"),
    "what status names when there is no Service": ("", "b", "b"),
    "what status names when the Service names what is not there": ("x", "b", "b"),
    "nothing when neither is there": ("x", "y", None),
    "nothing before anything served": ("", "", None),
}


@pytest.mark.parametrize(("selected", "recorded", "expected"), SERVING.values(), ids=SERVING)
def test_which_revision_serves(selected: str, recorded: str, expected: str | None):
    found = serving_deployment((_deployment("a"), _deployment("b")), selected=selected, recorded=recorded)
    assert (found and found.revision) == expected
