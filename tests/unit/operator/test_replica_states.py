"""Replica states: the worst first, with what crashed; and the counts of phases."""

from typing import Any

from nereid_operator.observe import PodFacts, pod_facts
from nereid_operator.replica_states import phase_counts, replica_states

RUNNING = {"state": {"running": {}}}
DONE = {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


def _pod(name: str, *, init: Any = None, triton: Any = None, revision: str = "a", **status: Any) -> PodFacts:
    return pod_facts(
        {
            "metadata": {"name": name, "labels": {"nereid.dev/revision": revision}},
            "status": {
                "initContainerStatuses": [{"name": "prepare", **init}] if init else [],
                "containerStatuses": [{"name": "triton", **triton}] if triton else [],
                **status,
            },
        }
    )


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
CRASHING = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": KILLED, "restartCount": 4}
PODS = (
    _pod("ready", init=DONE, triton=RUNNING, **READY),
    _pod("ready-again", init=DONE, triton={**RUNNING, "ready": True, "lastState": KILLED, "restartCount": 1}, **READY),
    _pod("loading", init=DONE, triton=RUNNING),
    _pod("fetching", init=RUNNING),
    _pod("pending"),
    _pod("crashing", init=DONE, triton=CRASHING),
    _pod("evicted", phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
    _pod("older", init=DONE, triton=RUNNING, revision="b", **READY),
)


def test_the_worst_comes_first():
    names = [state["name"] for state in replica_states(PODS, size_bytes=1)]
    assert names == ["evicted", "crashing", "pending", "fetching", "loading", "ready-again", "older", "ready"]


def test_a_restart_and_the_last_crash_are_told_also_when_the_pod_is_ready_again():
    states = {state["name"]: state for state in replica_states(PODS, size_bytes=1)}
    assert states["ready-again"] == {
        "name": "ready-again",
        "revision": "a",
        "phase": "Ready",
        "restarts": 1,
        "lastCrash": "triton ended with exit code 137 (OOMKilled)",
    }
    assert states["crashing"]["reason"] == "OutOfMemory"
    assert states["crashing"]["restarts"] == 4
    assert states["ready"] == {"name": "ready", "revision": "a", "phase": "Ready"}


def test_an_engine_that_died_is_told_with_its_own_words():
    said = '{"reason": "EngineDied", "message": "RuntimeError in step 812."}'
    died = {"terminated": {"exitCode": 137, "reason": "Error", "message": said}}
    restarted = _pod("p", init=DONE, triton={**RUNNING, "lastState": died, "restartCount": 1})
    ready = _pod("q", init=DONE, triton={**RUNNING, "ready": True, "lastState": died, "restartCount": 1}, **READY)
    states = {state["name"]: state for state in replica_states((restarted, ready), size_bytes=1)}
    crash = "triton ended with exit code 137 (EngineDied: RuntimeError in step 812.)"
    assert (states["p"]["reason"], states["p"]["message"]) == ("EngineDied", "RuntimeError in step 812.")
    assert states["p"]["lastCrash"] == states["q"]["lastCrash"] == crash
    assert "reason" not in states["q"]


def test_at_most_fifty_are_told():
    many = [_pod(f"p{number:03}", init=DONE, triton=RUNNING, **READY) for number in range(80)]
    states = replica_states([*many, _pod("pending")], size_bytes=1)
    assert len(states) == 50
    assert states[0]["name"] == "pending"


def test_pods_of_a_job_are_no_replicas():
    job = pod_facts({"metadata": {"name": "job", "labels": {"batch.kubernetes.io/job-name": "j"}}})
    assert replica_states([job], size_bytes=1) == []


def test_phases_of_the_current_revision_are_counted():
    assert phase_counts(PODS, "a") == {"pending": 2, "fetching": 1, "loading": 1, "ready": 2}
