"""What gateways know of a model → what status says of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.resources import Key
from nereid_operator.observe import DeploymentFacts, PodFacts
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.plan.planner import make_plan
from nereid_operator.plan.resolution import Resolved
from nereid_operator.routing import Routing, Taken
from nereid_operator.status import Reading, summarize
from tests.unit.operator.routed import pod
from tests.unit.operator.test_policy import _md

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROUTED = Routing(
    url="http://nereid-gateway.nereid-system.svc",
    names=("default.m", "m"),
    taken=None,
    answering=frozenset({"10.0.10.1"}),
    gateways=("nereid-system/gateway-1", "nereid-system/gateway-2"),
    behind=(),
    rejection="",
)
NOBODY = replace(ROUTED, gateways=(), answering=frozenset())
BEHIND = replace(ROUTED, behind=("nereid-system/gateway-2",))
REJECTED = replace(ROUTED, rejection="Proto constraint validation failed")
UNTOLD = replace(ROUTED, answering=frozenset({"10.9.9.9"}))


def _reading(routing: Routing | None, *, replicas: int = 1) -> Reading:
    """Return the reading of a pass over a model of which everything is there but, perhaps, the way to it."""
    md = _md(replicas=replicas)
    model = ResolvedModel(
        input_hash="i", revision="r", digest=f"sha256:{'a' * 64}", size_bytes=1, task="Embedding", weights_bytes=1
    )
    plan = make_plan(md, model, Platform(Image("i", "Always")), deployments=(), selected_revision="")
    revision = plan.rollout.current
    facts = DeploymentFacts(
        name=f"m-{revision}",
        revision=revision,
        created="",
        observed=True,
        completed=True,
        spec_replicas=replicas,
        replicas=replicas,
        updated_replicas=replicas,
        ready_replicas=replicas,
        replica_failure="",
    )
    pods: tuple[PodFacts, ...] = (replace(pod("a", 1), revision=revision),) if replicas else ()
    return Reading(
        key=Key("default", "m"),
        generation=3,
        wanted_replicas=replicas,
        violations=(),
        resolution=Resolved(model),
        problem=None,
        plan=plan,
        stable=revision,
        deployments=(facts,),
        pods=pods,
        routing=routing,
    )


def _condition(status: dict[str, Any], kind: str) -> tuple[str, str, str]:
    found = next(entry for entry in status["conditions"] if entry["type"] == kind)
    return found["status"], found["reason"], found["message"]


NEW: dict[str, tuple[Routing, str, str, str]] = {
    "every gateway has it": (ROUTED, "True", "Ready", "1 of 1"),
    "none is connected": (NOBODY, "False", "NotRoutable", "No gateway is connected"),
    "one has not answered": (BEHIND, "False", "NotRoutable", "1 of 2 gateways have yet to take the newest endpoints"),
    "none was told": (UNTOLD, "False", "NotRoutable", "not told yet of m-a-1"),
    "one refuses it": (REJECTED, "False", "GatewayRejected", "Proto constraint validation failed"),
}


@pytest.mark.parametrize(("routing", "status", "reason", "words"), NEW.values(), ids=NEW)
def test_ready_waits_for_the_gateways(routing: Routing, status: str, reason: str, words: str):
    found = _condition(summarize(_reading(routing), {}, now=NOW), "Ready")
    assert found[:2] == (status, reason)
    assert words in found[2]


@pytest.mark.parametrize("routing", [NOBODY, BEHIND, UNTOLD], ids=["none is connected", "one is behind", "untold"])
def test_gateways_that_come_and_go_take_nothing_back(routing: Routing):
    before = summarize(_reading(ROUTED), {}, now=NOW)
    assert _condition(summarize(_reading(routing), before, now=NOW), "Ready")[0] == "True"
    of_the_spec_before = replace(_reading(routing), generation=4)
    assert _condition(summarize(of_the_spec_before, before, now=NOW), "Ready")[1] == "NotRoutable"


def test_a_refusal_takes_ready_back():
    before = summarize(_reading(ROUTED), {}, now=NOW)
    after = summarize(_reading(REJECTED), before, now=NOW)
    assert _condition(after, "Ready")[:2] == ("False", "GatewayRejected")
    assert _condition(after, "Progressing")[:2] == ("False", "GatewayRejected")
    assert _condition(after, "Degraded")[:2] == ("True", "GatewayRejected")
    assert _condition(after, "Available")[0] == "True"


def test_a_model_at_zero_waits_for_no_gateway():
    assert _condition(summarize(_reading(NOBODY, replicas=0), {}, now=NOW), "Ready")[1] == "ScaledToZero"


def test_a_name_that_an_older_model_has():
    routing = replace(ROUTED, names=("default.m",), taken=Taken("m", Key("other", "x")))
    status = summarize(_reading(routing), {}, now=NOW)
    assert _condition(status, "Degraded") == (
        "True",
        "NameTaken",
        "The name m is that of other/x, which is older; this model is called default.m.",
    )
    assert _condition(status, "Ready")[0] == "True"


def test_where_clients_find_it():
    status = summarize(_reading(ROUTED), {}, now=NOW)
    assert (status["url"], status["names"]) == (ROUTED.url, ["default.m", "m"])
    assert _condition(status, "Degraded")[:2] == ("False", "AsSpecified")


def test_without_a_gateway_nothing_is_said_of_one():
    status = summarize(_reading(None), {}, now=NOW)
    assert status["url"] == "http://m.default.svc"
    assert "names" not in status
    assert [entry["type"] for entry in status["conditions"]] == [
        "Accepted",
        "Resolved",
        "Available",
        "Progressing",
        "Ready",
    ]
