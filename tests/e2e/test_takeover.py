"""Two operators on the real cluster: how long nobody leads when the leader is killed, and when it is told to end."""

import os
import signal
import time
from datetime import datetime

import pytest

from tests.stack.helm import NAMESPACE
from tests.stack.processes import first_process, is_running
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

LEASE = "nereid-operator"


@pytest.fixture
def leader(nereid, kubectl):
    """The pid of the operator that holds the Lease, beside another that is ready to."""
    wait_for("two ready operators", lambda: len(_ready_pods(kubectl)) == 2, seconds=60)
    holder = wait_for("a holder", lambda: _holder(kubectl) in _ready_pods(kubectl) and _holder(kubectl), seconds=30)
    return first_process(_ready_pods(kubectl)[holder], "nereid_operator")


def test_a_leader_that_is_killed_is_replaced_within_15_seconds(kubectl, leader):
    os.kill(leader, signal.SIGKILL)
    before = _lease(kubectl)
    after = _next_holder(kubectl, before)
    assert 0 < _seconds(before["renewTime"], after["acquireTime"]) <= 15


def test_a_leader_that_is_told_to_end_hands_over_and_is_gone_within_5_seconds(kubectl, leader):
    before, told = _lease(kubectl), time.time()
    os.kill(leader, signal.SIGTERM)
    wait_for("its end", lambda: not is_running(leader), seconds=5, interval=0.02)
    after = _next_holder(kubectl, before)
    # Without the handover it would be the rest of the 12 s of the Lease.
    assert datetime.fromisoformat(after["acquireTime"]).timestamp() - told <= 7


def _next_holder(kubectl, before):
    return wait_for("another holder", lambda: _held_by_another(kubectl, before), seconds=30, interval=0.1)


def _held_by_another(kubectl, before):
    now = _lease(kubectl)
    return now if now["holderIdentity"] not in {"", before["holderIdentity"]} else None


def _lease(kubectl):
    return kubectl.get("lease", LEASE, NAMESPACE)["spec"]


def _holder(kubectl):
    return _lease(kubectl).get("holderIdentity", "").rpartition("_")[0]


def _ready_pods(kubectl):
    """Return the operators that are ready: name → uid."""
    pods = kubectl.select("pods", NAMESPACE, "app.kubernetes.io/name=nereid-operator")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods if _is_ready(pod)}


def _is_ready(pod):
    conditions = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _seconds(start, end):
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
