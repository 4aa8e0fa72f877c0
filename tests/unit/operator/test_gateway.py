"""What was seen of the models → what the gateway shall be."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_operator.api.resources import Key
from nereid_operator.api.traffic import Traffic
from nereid_operator.api.traffic_rules import usable_traffic
from nereid_operator.plan.gateway import ModelRoutes, Seen, gateway, model_routes, name_holders
from nereid_operator.plan.gateway_ir import (
    Backend,
    Balancing,
    Certificate,
    ContentRoute,
    Endpoint,
    GatewayModel,
    Health,
    Share,
)
from tests.unit.operator.routed import CREATED, LATER, deployment, pod, seen


def _routes(what: Seen) -> ModelRoutes:
    found = model_routes(what)
    assert found is not None
    return found


def test_a_model_that_serves():
    found = _routes(seen(pod("a", 2), pod("a", 1)))
    assert found.model == GatewayModel(
        namespace="default",
        name="m",
        names=("default.m",),
        task="Chat",
        backends=(Backend("m-a", (Endpoint("m-a-1", "10.0.10.1"), Endpoint("m-a-2", "10.0.10.2"))),),
        shares=(Share("m-a", 100),),
        content_routes=(),
        balancing=Balancing.LEAST_REQUEST,
        balancing_header=None,
        timeout_seconds=60,
    )
    assert (found.served_name, found.age) == ("m", None)


ENDPOINTS: dict[str, tuple[Any, Health | None]] = {
    "a ready pod": (pod("a", 1), Health.HEALTHY),
    "one that is going": (pod("a", 1, terminating=True), Health.DRAINING),
    "one that is going and says no any more": (pod("a", 1, "False", terminating=True), Health.DRAINING),
    "one that was ready": (pod("a", 1, "False"), Health.UNHEALTHY),
    "one that never was": (pod("a", 1, "Never"), None),
    "one that never was, going": (pod("a", 1, "Never", terminating=True), None),
    "one without an address": (pod("a", 1, ip=""), None),
    "one that was evicted": (pod("a", 1, "False", phase="Failed"), None),
    "the pod of a resolve Job": (replace(pod("a", 1), revision=""), None),
}


@pytest.mark.parametrize(("one", "health"), ENDPOINTS.values(), ids=ENDPOINTS)
def test_what_becomes_of_a_pod(one: Any, health: Health | None):
    (backend,) = _routes(seen(one)).model.backends
    assert [endpoint.health for endpoint in backend.endpoints] == ([] if health is None else [health])


UNHEARD_OF = {
    "no Deployment yet": seen(pod("a", 1), deployments=()),
    "one that never had its replicas, nor one that answered": seen(
        pod("a", 1, "Never"), deployments=(deployment("a", completed=False),)
    ),
    "a Service and a status that name a revision that is gone": seen(
        pod("a", 1), selected="b", recorded="c", deployments=(deployment("a"),)
    ),
    "a Deployment that nobody of us made": seen(pod("a", 1), deployments=(deployment("a", served_name=""),)),
}


@pytest.mark.parametrize("what", UNHEARD_OF.values(), ids=UNHEARD_OF)
def test_clients_do_not_hear_of_a_model_before_it_serves(what: Seen):
    assert model_routes(what) is None


def test_the_first_replica_that_answers_is_enough():
    found = _routes(seen(pod("a", 1), pod("a", 2, "Never"), deployments=(deployment("a", completed=False),)))
    assert [endpoint.pod for endpoint in found.model.backends[0].endpoints] == ["m-a-1"]


def test_a_model_without_pods_that_served_stays_known():
    assert _routes(seen()).model.backends == (Backend("m-a", ()),)


def test_without_a_service_it_is_the_revision_that_status_names():
    assert _routes(seen(pod("a", 1), selected="")).model.shares == (Share("m-a", 100),)


def test_during_a_rollout_the_serving_revision_has_all_requests_and_the_other_its_streams():
    both = (deployment("a"), deployment("b", completed=False))
    found = _routes(seen(pod("a", 1), pod("b", 1), deployments=both, current="b")).model
    assert [backend.name for backend in found.backends] == ["m-a", "m-b"]
    assert found.shares == (Share("m-a", 100),)
    after = _routes(seen(pod("a", 1, terminating=True), pod("b", 1), deployments=both, current="b", selected="b"))
    assert after.model.shares == (Share("m-b", 100),)
    assert after.model.backends[0].endpoints == (Endpoint("m-a-1", "10.0.10.1", Health.DRAINING),)


def test_streams_of_a_revision_whose_deployment_is_gone_go_on():
    found = _routes(seen(pod("b", 1), pod("a", 1, terminating=True), deployments=(deployment("b"),), selected="b"))
    assert [backend.name for backend in found.model.backends] == ["m-a", "m-b"]


TRAFFIC = Traffic.model_validate(
    {
        "routes": [
            {"name": "kept", "path": "/v1/embeddings", "revision": "Stable"},
            {"name": "preview", "headers": [{"name": "x-a", "value": "1"}, {"name": "x-b", "value": "2"}]},
        ]
    }
)
OLD, NEW = deployment("a"), deployment("b", completed=False)
BOTH = {"deployments": (OLD, NEW), "current": "b", "traffic": TRAFFIC}
CONTENT_ROUTES = {
    "to a newest revision of which a replica answers": (seen(pod("a", 1), pod("b", 1), **BOTH), ["m-a", "m-b"]),
    "to one of which none answers yet": (seen(pod("a", 1), pod("b", 1, "Never"), **BOTH), []),
    "to one of which none answers any more": (seen(pod("a", 1), pod("b", 1, "False"), **BOTH), []),
    "to the one that serves": (seen(pod("a", 1), traffic=TRAFFIC), []),
    "to one of another name": (
        seen(pod("a", 1), pod("b", 1), **{**BOTH, "deployments": (OLD, deployment("b", served_name="n"))}),
        [],
    ),
    "to one of another task": (
        seen(pod("a", 1), pod("b", 1), **{**BOTH, "deployments": (OLD, deployment("b", task="Embedding"))}),
        [],
    ),
}


@pytest.mark.parametrize(("what", "backends"), CONTENT_ROUTES.values(), ids=CONTENT_ROUTES)
def test_content_routes(what: Seen, backends: list[str]):
    assert [route.backend for route in _routes(what).model.content_routes] == backends


def test_a_content_route_keeps_its_headers_and_its_path():
    kept, preview = _routes(seen(pod("a", 1), pod("b", 1), **BOTH)).model.content_routes
    assert kept == ContentRoute((), "/v1/embeddings", "m-a")
    assert preview == ContentRoute((("x-a", "1"), ("x-b", "2")), None, "m-b")


def test_the_rest_of_spec_traffic():
    traffic = Traffic.model_validate({"loadBalancing": "StickyHeader", "stickyHeader": "x-s", "timeout": "2m1ms"})
    model = _routes(seen(pod("a", 1), traffic=traffic)).model
    assert (model.balancing, model.balancing_header, model.timeout_seconds) == (Balancing.STICKY_HEADER, "x-s", 121)


USABLE = {
    "nothing said": ({}, Traffic()),
    "what is said": ({"traffic": {"timeout": "5s"}}, Traffic(timeout="5s")),
    "what the schema refuses": ({"traffic": {"timeout": 5}}, Traffic()),
    "what contradicts itself": ({"traffic": {"stickyHeader": "x-a"}}, Traffic()),
    "an error elsewhere": ({"replicas": -1, "traffic": {"timeout": "5s"}}, Traffic(timeout="5s")),
}


@pytest.mark.parametrize(("spec", "traffic"), USABLE.values(), ids=USABLE)
def test_traffic_of_a_spec_with_errors(spec: dict[str, Any], traffic: Traffic):
    assert usable_traffic({"spec": spec}) == traffic


def _named(namespace: str, served_name: str, age: str | None, *, name: str = "m") -> ModelRoutes:
    found = _routes(seen(pod("a", 1), key=Key(namespace, name)))
    return replace(found, served_name=served_name, age=None if age is None else (age, namespace))


NAMES = {
    "a full name alone where no policy allows more": ([_named("a", "m", None)], [("a.m",)]),
    "both names where one does": ([_named("a", "chat", CREATED)], [("a.m", "chat")]),
    "one name for two: the older has it": (
        [_named("a", "chat", LATER), _named("b", "chat", CREATED)],
        [("a.m",), ("b.m", "chat")],
    ),
    "two of one age: the uid decides": (
        [_named("a", "chat", CREATED), _named("b", "chat", CREATED)],
        [("a.m", "chat"), ("b.m",)],
    ),
    "one that no policy allows takes no name": (
        [_named("a", "chat", None), _named("b", "chat", LATER)],
        [("a.m",), ("b.m", "chat")],
    ),
    "the full name of another is never taken": (
        [_named("a", "b.m", CREATED), _named("b", "m", None)],
        [("a.m",), ("b.m",)],
    ),
    "its own full name once": ([_named("a", "a.m", CREATED)], [("a.m",)]),
}


@pytest.mark.parametrize(("routes", "names"), NAMES.values(), ids=NAMES)
def test_names(routes: list[ModelRoutes], names: list[tuple[str, ...]]):
    assert [model.names for model in gateway(routes, port=1).models] == names


def test_who_has_a_name():
    routes = [_named("a", "chat", LATER), _named("b", "chat", CREATED)]
    assert name_holders(routes) == {"chat": Key("b", "m"), "a.m": Key("a", "m"), "b.m": Key("b", "m")}


def test_the_order_in_which_models_were_seen_is_nowhere_in_the_value():
    routes = [_named(namespace, "chat", CREATED, name=name) for namespace in "cab" for name in ("n", "m")]
    forwards, backwards = gateway(routes, port=1), gateway(reversed(routes), port=1)
    assert forwards == backwards
    assert [(model.namespace, model.name) for model in forwards.models] == sorted(one.key for one in routes)


def test_what_concerns_no_client_changes_nothing():
    before = _routes(seen(pod("a", 1)))
    touched = seen(pod("a", 1, uid="other", created=LATER), pod("b", 1, "Never"), recorded="", current="b")
    assert _routes(touched) == before


def test_the_port_and_the_certificate():
    certificate = Certificate("chain", "key")
    made = gateway([], port=8443, certificate=certificate)
    assert (made.port, made.models, made.certificate) == (8443, (), certificate)


REVISIONS = st.sampled_from(["a", "b", "c"])
PODS = st.builds(
    pod,
    REVISIONS,
    st.integers(0, 9),
    st.sampled_from(["True", "False", "Never"]),
    terminating=st.booleans(),
    phase=st.sampled_from(["Running", "Failed"]),
)
DEPLOYMENTS = st.builds(
    deployment,
    REVISIONS,
    completed=st.booleans(),
    task=st.sampled_from(["Chat", "Embedding"]),
    served_name=st.sampled_from(["m", "n", "x.m", ""]),
)
MODELS = st.builds(
    lambda pods, **fields: seen(*pods, **fields),
    st.lists(PODS, max_size=6, unique_by=lambda one: one.name),
    key=st.builds(Key, st.sampled_from(["x", "y", "z"]), st.sampled_from(["m", "n"])),
    uid=st.sampled_from(["u", "v"]),
    created=st.sampled_from([CREATED, LATER]),
    traffic=st.sampled_from([Traffic(), TRAFFIC]),
    wants_global_name=st.booleans(),
    current=REVISIONS,
    selected=st.sampled_from(["a", "b", ""]),
    recorded=st.sampled_from(["a", "c", ""]),
    deployments=st.lists(DEPLOYMENTS, max_size=3, unique_by=lambda one: one.name).map(tuple),
)


@given(st.lists(MODELS, max_size=6, unique_by=lambda one: one.key))
def test_whatever_was_seen_the_value_holds_together(models: list[Seen]):
    routes = [one for one in map(model_routes, models) if one is not None]
    made = gateway(routes, port=1)
    names = [name for model in made.models for name in model.names]
    assert len(names) == len(set(names))
    assert set(names) <= set(name_holders(routes))
    for model in made.models:
        backends = {backend.name for backend in model.backends}
        assert sum(share.weight for share in model.shares) == 100
        assert {share.backend for share in model.shares} <= backends
        assert {route.backend for route in model.content_routes} <= backends
        assert model.names[0] == f"{model.namespace}.{model.name}"
