"""What a gateway is sent, request by request, without a gateway."""

from collections.abc import Mapping

import pytest

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from nereid_operator.xds.encoding import Encoded, Snapshot, no_endpoints
from nereid_operator.xds.quarantine import Quarantine
from nereid_operator.xds.session import Refusal, Request, Response, Session


def content(**resources: int) -> dict[str, Encoded]:
    return {name: Encoded(name, str(version), None, {}, b"") for name, version in resources.items()}


def snapshot(
    clusters: Mapping[str, int], endpoints: Mapping[str, int] | None = None, routes: int = 1, listener: int = 1
) -> Snapshot:
    contents = {
        CLUSTER: content(**clusters),
        ENDPOINTS: content(**(dict.fromkeys(clusters, 1) if endpoints is None else endpoints)),
        LISTENER: content(front=listener),
        ROUTES: content(front=routes),
    }
    return Snapshot(contents, {})


class Gateway:
    """An Envoy that takes and asks for what its configuration names; `refuse` maps a version to its words."""

    def __init__(self, quarantine: Quarantine | None = None, version: str = "") -> None:
        self.session = Session(quarantine or Quarantine())
        self.has: dict[str, dict[str, str]] = {CLUSTER: {}, ENDPOINTS: {}, LISTENER: {}, ROUTES: {}}
        self.sent: list[tuple[str, list[str]]] = []
        self.refusals: list[Refusal] = []
        self._asked: dict[str, tuple[frozenset[str], str]] = {}
        for kind in (CLUSTER, LISTENER):
            self.ask(kind, frozenset(), version)

    def ask(self, kind: str, names: frozenset[str], version: str = "") -> None:
        nonce = self._asked[kind][1] if kind in self._asked else ""
        self._asked[kind] = (names, nonce)
        self.session.receive(Request(kind, names, version, nonce))

    def run(self, wanted: Snapshot, refuse: Mapping[str, str] | None = None) -> list[tuple[str, list[str]]]:
        """Take everything that is due, and return it as (kind, names)."""
        before = len(self.sent)
        while response := self.session.next_response(wanted):
            self._take(response, refuse or {})
            assert len(self.sent) - before < 50, "it goes on for ever"
        return self.sent[before:]

    def _take(self, response: Response, refuse: Mapping[str, str]) -> None:
        kind, resources = response.type_url, {one.name: one.version for one in response.resources}
        self.sent.append((kind, sorted(resources)))
        names = self._asked[kind][0]
        self._asked[kind] = (names, response.nonce)
        words = next((refuse[version] for version in resources.values() if version in refuse), None)
        if words is None:
            self.has[kind] = resources if kind in (CLUSTER, LISTENER) else self.has[kind] | resources
            follow = {CLUSTER: ENDPOINTS, LISTENER: ROUTES}.get(kind)
            if follow is not None and self._asked.get(follow, (None,))[0] != frozenset(resources):
                self.ask(follow, frozenset(resources))
        self.refusals += self.session.receive(Request(kind, names, response.version, response.nonce, words))


def test_clusters_come_first_and_routes_last():
    assert Gateway().run(snapshot({"a": 1, "b": 1})) == [
        (CLUSTER, ["a", "b"]),
        (ENDPOINTS, ["a", "b"]),
        (LISTENER, ["front"]),
        (ROUTES, ["front"]),
    ]


def test_nothing_is_sent_twice():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}))
    assert gateway.run(snapshot({"a": 1})) == []


def test_changed_endpoints_come_alone():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1}))
    assert gateway.run(snapshot({"a": 1, "b": 1}, {"a": 1, "b": 2})) == [(ENDPOINTS, ["b"])]


def test_a_new_model_is_routed_to_when_it_has_its_endpoints():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}))
    assert gateway.run(snapshot({"a": 1, "b": 1}, routes=2)) == [
        (CLUSTER, ["a", "b"]),
        (ENDPOINTS, ["b"]),
        (ROUTES, ["front"]),
    ]


def test_routes_wait_for_each_step_of_a_new_cluster():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}))
    session, wanted = gateway.session, snapshot({"a": 1, "b": 1}, routes=2)

    def answer(response: Response | None, *names: str) -> None:
        assert response is not None
        session.receive(Request(response.type_url, frozenset(names), nonce=response.nonce))

    clusters = session.next_response(wanted)
    assert session.next_response(wanted) is None
    answer(clusters)
    assert session.next_response(wanted) is None, "the gateway has not asked for the endpoints of b"
    gateway.ask(ENDPOINTS, frozenset({"a", "b"}))
    endpoints = session.next_response(wanted)
    assert endpoints is not None
    assert (endpoints.type_url, session.next_response(wanted)) == (ENDPOINTS, None)
    answer(endpoints, "a", "b")
    routes = session.next_response(wanted)
    assert routes is not None
    assert routes.type_url == ROUTES


def test_a_cluster_goes_after_the_routes_to_it():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1}))
    assert gateway.run(snapshot({"a": 1}, routes=2)) == [(ROUTES, ["front"]), (CLUSTER, ["a"])]


def test_a_changed_cluster_gets_its_endpoints_again():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1}))
    assert gateway.run(snapshot({"a": 2, "b": 1}, {"a": 1, "b": 1})) == [(CLUSTER, ["a", "b"]), (ENDPOINTS, ["a"])]


def test_a_changed_listener_gets_its_routes_again():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}))
    assert gateway.run(snapshot({"a": 1}, listener=2)) == [(LISTENER, ["front"]), (ROUTES, ["front"])]


def test_a_name_that_is_asked_for_again_is_sent_again():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1}))
    gateway.ask(ENDPOINTS, frozenset({"a"}))
    gateway.ask(ENDPOINTS, frozenset({"a", "b"}))
    assert gateway.run(snapshot({"a": 1, "b": 1})) == [(ENDPOINTS, ["b"])]


def test_an_answer_to_an_older_response_counts_for_nothing():
    session = Session(Quarantine())
    session.receive(Request(CLUSTER))
    first = session.next_response(snapshot({"a": 1}))
    assert first is not None
    session.receive(Request(CLUSTER, nonce=first.nonce))
    second = session.next_response(snapshot({"a": 2}))
    assert second is not None
    session.receive(Request(CLUSTER, nonce=first.nonce))
    assert session.accepted(CLUSTER) == {"a": "1"}
    session.receive(Request(CLUSTER, nonce=second.nonce))
    assert session.accepted(CLUSTER) == {"a": "2"}


def test_while_an_answer_is_awaited_everything_coalesces():
    session = Session(Quarantine())
    session.receive(Request(CLUSTER))
    first = session.next_response(snapshot({"a": 1}))
    assert first is not None
    assert session.next_response(snapshot({"a": 2})) is None
    assert session.next_response(snapshot({"a": 3})) is None
    session.receive(Request(CLUSTER, nonce=first.nonce))
    second = session.next_response(snapshot({"a": 4}))
    assert second is not None
    assert [one.version for one in second.resources] == ["4"]


def test_an_empty_gateway_is_told_so():
    assert Gateway().run(Snapshot({}, {})) == [(CLUSTER, []), (LISTENER, [])]


NAMED = "Error adding/updating cluster(s) b: why, because of 'a'"
DUMPED = 'goo.gle/debugonly\nname: "b"\nclusters: "a"\n: Proto constraint validation failed'
UNNAMED = "no way"


@pytest.mark.parametrize("words", [NAMED, DUMPED, UNNAMED])
def test_a_refused_cluster_stays_as_it_was_and_others_change(words):
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1, "c": 1}))
    gateway.run(snapshot({"a": 2, "b": 666, "c": 1}), {"666": words})
    assert gateway.has[CLUSTER] == {"a": "2", "b": "1", "c": "1"}
    assert [refusal.names for refusal in gateway.refusals] == [("b",)]
    gateway.run(snapshot({"a": 3, "b": 666, "c": 2}), {"666": words})
    assert gateway.has[CLUSTER] == {"a": "3", "b": "1", "c": "2"}
    gateway.run(snapshot({"a": 3, "b": 4, "c": 2}), {"666": words})
    assert gateway.has[CLUSTER] == {"a": "3", "b": "4", "c": "2"}
    assert len(gateway.refusals) == 1


@pytest.mark.parametrize("words", [DUMPED, UNNAMED])
def test_a_new_cluster_that_is_refused_is_left_out(words):
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}))
    gateway.run(snapshot({"a": 2, "b": 666, "c": 1}, routes=2), {"666": words})
    assert gateway.has[CLUSTER] == {"a": "2", "c": "1"}
    assert gateway.has[ROUTES] == {"front": "2"}
    assert [refusal.names for refusal in gateway.refusals] == [("b",)]


def test_endpoints_are_sent_behind_their_cluster_before_it_is_acknowledged():
    """Envoy acknowledges a changed cluster when it has its endpoints, not before."""
    gateway = Gateway()
    wanted = snapshot({"a": 1})
    gateway.run(wanted)
    changed = snapshot({"a": 2}, {"a": 1})
    kinds = [response.type_url for _ in range(2) if (response := gateway.session.next_response(changed))]
    assert kinds == [CLUSTER, ENDPOINTS]


def test_endpoints_that_came_with_refused_ones_are_sent_once_more():
    """The changed cluster a waits for its own, and nobody says whether the gateway took them."""
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1}))
    sent = gateway.run(snapshot({"a": 2, "b": 1}, {"a": 1, "b": 666}), {"666": UNNAMED})
    assert sent == [(CLUSTER, ["a", "b"]), (ENDPOINTS, ["a", "b"]), (ENDPOINTS, ["a"])]


def test_refused_endpoints_of_a_new_cluster_become_none():
    """Without any the cluster, and with it every later change of clusters, would wait for them."""
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}))
    gateway.run(snapshot({"a": 1, "b": 1}, {"a": 1, "b": 666}, routes=2), {"666": UNNAMED})
    assert gateway.has[ENDPOINTS] == {"a": "1", "b": no_endpoints("b").version}
    assert gateway.has[ROUTES] == {"front": "2"}


def test_each_of_several_refused_endpoints_is_found():
    gateway = Gateway()
    names = [f"m{number}" for number in range(20)]
    gateway.run(snapshot(dict.fromkeys(names, 1)))
    changed = dict.fromkeys(names, 2) | {"m3": 666, "m4": 666, "m17": 666}
    gateway.run(snapshot(dict.fromkeys(names, 1), changed), {"666": UNNAMED})
    assert sorted(name for refusal in gateway.refusals for name in refusal.names) == ["m17", "m3", "m4"]
    assert gateway.has[ENDPOINTS] == dict.fromkeys(names, "2") | {"m3": "1", "m4": "1", "m17": "1"}


def test_refused_routes_leave_the_clusters_that_the_old_ones_need():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1, "b": 1}))
    gateway.run(snapshot({"b": 2}, routes=666), {"666": UNNAMED})
    assert gateway.has[CLUSTER] == {"a": "1", "b": "2"}
    gateway.run(snapshot({"b": 2}, routes=3))
    assert gateway.has[CLUSTER] == {"b": "2"}


def test_a_refusal_is_remembered_when_the_gateway_comes_again():
    quarantine = Quarantine()
    first = Gateway(quarantine)
    first.run(snapshot({"a": 1, "b": 1}))
    first.run(snapshot({"a": 1, "b": 666}), {"666": DUMPED})
    again = Gateway(quarantine, version="x")
    assert again.run(snapshot({"a": 1, "b": 666}), {"666": DUMPED})[0] == (CLUSTER, ["a", "b"])
    assert again.has[CLUSTER] == {"a": "1", "b": "1"}
    assert again.refusals == []


def test_a_new_leader_takes_nothing_away_that_it_cannot_replace():
    """Which cluster is refused would be found by leaving others out: they may serve, by grace of another operator."""
    gateway = Gateway(version="of another operator")
    sent = gateway.run(snapshot({"a": 1, "b": 666, "c": 1}), {"666": UNNAMED})
    assert [names for kind, names in sent if kind == CLUSTER] == [["a", "b", "c"]]
    assert gateway.refusals == [Refusal(CLUSTER, (), UNNAMED)]


def test_a_leader_whose_configuration_was_accepted_can_try_apart():
    gateway = Gateway(version="of another operator")
    gateway.run(snapshot({"a": 1}))
    gateway.run(snapshot({"a": 2, "b": 666, "c": 1}), {"666": UNNAMED})
    assert gateway.has[CLUSTER] == {"a": "2", "c": "1"}
    assert [refusal.names for refusal in gateway.refusals] == [("b",)]


def test_a_new_leader_goes_on_sending_what_was_refused_where_the_rest_was_applied():
    gateway = Gateway(version="of another operator")
    gateway.run(snapshot({"a": 1, "b": 666}), {"666": NAMED})
    assert {tuple(names) for kind, names in gateway.sent if kind == CLUSTER} == {("a", "b")}
    assert gateway.session.accepted(CLUSTER) == {"a": "1"}
    gateway.run(snapshot({"a": 2, "b": 666}), {"666": NAMED})
    assert gateway.session.accepted(CLUSTER) == {"a": "2"}
    assert [refusal.names for refusal in gateway.refusals] == [("b",)]


def test_what_was_fine_and_is_refused_now_does_not_swing():
    gateway = Gateway()
    gateway.run(snapshot({"a": 1}, {"a": 1}))
    gateway.run(snapshot({"a": 1}, {"a": 2}), {"1": UNNAMED, "2": UNNAMED})
    gateway.ask(ENDPOINTS, frozenset())
    gateway.ask(ENDPOINTS, frozenset({"a"}))
    gateway.run(snapshot({"a": 1}, {"a": 2}), {"1": UNNAMED, "2": UNNAMED})
    assert {refusal.names for refusal in gateway.refusals} == {("a",)}


@pytest.mark.parametrize(
    ("name", "is_meant"),
    [("ns/a/http", True), ("a/http", False), ("ns/a", False), ("ns/a/http2", False), ("s/a/http", False)],
)
def test_a_name_is_meant_only_as_a_whole(name, is_meant):
    session = Session(Quarantine())
    session.receive(Request(CLUSTER))
    both = {one: Encoded(one, "1", None, {}, b"") for one in (name, "other")}
    response = session.next_response(Snapshot({CLUSTER: both}, {}))
    assert response is not None
    refusals = session.receive(Request(CLUSTER, nonce=response.nonce, error="unknown cluster 'ns/a/http'"))
    assert (refusals != ()) is is_meant
