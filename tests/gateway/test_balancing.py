"""Which replica gets a request: by policy, session, weight or content, and when one fails or leaves."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from nereid_operator.plan.gateway_ir import (
    Backend,
    Balancing,
    ContentRoute,
    Endpoint,
    Gateway,
    GatewayModel,
    Health,
    Share,
)
from tests.gateway.gateways import PATHS, Stand, backend, gateway, model, standing
from tests.stack.ports import free_port
from tests.stack.wait import wait_for

THREE = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
MESSAGE = b"\x0a\x06team.m"


def counts(stand: Stand) -> Counter[str]:
    """Return how many requests each replica got since the last call."""
    found = Counter({address: len(one.seen) for address, one in stand.replicas.items()})
    for one in stand.replicas.values():
        one.seen.clear()
    return +found


def ask_often(stand: Stand, times: int, headers: Callable[[int], dict[str, str]] = lambda _: {}) -> Counter[int]:
    """Send requests over one connection and return how many answers had each status."""
    with httpx.Client(timeout=30) as client:
        answers = [
            client.post(f"{stand.url}{PATHS[0]}", json={"model": "team.m"}, headers=headers(number))
            for number in range(times)
        ]
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("balancing", [Balancing.LEAST_REQUEST, Balancing.ROUND_ROBIN, Balancing.RANDOM])
def test_every_replica_gets_its_part(balancing: Balancing, tmp_path: Path):
    with standing(gateway(model("m", *THREE, balancing=balancing)), tmp_path) as stand:
        assert ask_often(stand, 300) == {200: 300}
        parts = counts(stand)
    assert sorted(parts) == sorted(THREE)
    # Of 300 at random, fewer than 60 for one of three is a chance of one in a million.
    assert min(parts.values()) >= (100 if balancing is Balancing.ROUND_ROBIN else 60)


def test_a_busy_replica_gets_less(tmp_path: Path):
    with standing(gateway(model("m", "10.0.0.1", "10.0.0.2")), tmp_path) as stand:
        busy = stand.replicas["10.0.0.1"]
        busy.held = threading.Event()
        with ThreadPoolExecutor(40) as pool:
            held = [pool.submit(stand.ask, "team.m") for _ in range(40)]
            wait_for(
                "all are answered or held",
                lambda: sum(map(_done, held)) + len(busy.seen) == 40,
                seconds=30,
                interval=0.05,
            )
            counts(stand)
            assert ask_often(stand, 50) == {200: 50}
            assert counts(stand) == {"10.0.0.2": 50}
            busy.held.set()
            assert {one.result().status_code for one in held} == {200}


def sticky(addresses: tuple[str, ...] = THREE) -> GatewayModel:
    return model("m", *addresses, balancing=Balancing.STICKY_HEADER, balancing_header="x-session")


def test_a_session_stays_on_its_replica_and_all_replicas_have_some(tmp_path: Path):
    with standing(gateway(sticky()), tmp_path) as stand:
        homes = {}
        for session in range(30):
            assert ask_often(stand, 4, lambda _, name=f"s{session}": {"x-session": name}) == {200: 4}
            (homes[session],) = counts(stand)
        assert set(homes.values()) == set(THREE)
        # A replica that leaves takes its own sessions along, and few others.
        stand.change(_with_health(stand.gateway, "10.0.0.1", Health.DRAINING))
        wait_for("the change", lambda: _homes(stand, homes).isdisjoint({"10.0.0.1"}), seconds=10)
        moved = 0
        for session, home in homes.items():
            ask_often(stand, 1, lambda _, name=f"s{session}": {"x-session": name})
            (found,) = counts(stand)
            moved += home not in ("10.0.0.1", found)
        assert moved <= len(homes) // 4


def _homes(stand: Stand, sessions: dict[int, str]) -> set[str]:
    for session in sessions:
        ask_often(stand, 1, lambda _, name=f"s{session}": {"x-session": name})
    return set(counts(stand))


def test_a_session_that_is_too_busy_for_one_replica_overflows(tmp_path: Path):
    with standing(gateway(sticky()), tmp_path) as stand:
        for one in stand.replicas.values():
            one.held = threading.Event()
        with ThreadPoolExecutor(30) as pool:
            held = [pool.submit(stand.ask, "team.m", PATHS[0], **{"x-session": "one"}) for _ in range(30)]
            wait_for("30 requests", lambda: sum(len(one.seen) for one in stand.replicas.values()) == 30, seconds=30)
            for one in stand.replicas.values():
                one.held.set()
            assert {one.result().status_code for one in held} == {200}
        # A quarter more than ten, and what came before the first connections were there to be counted.
        assert max(counts(stand).values()) <= 20


def two_revisions(*shares: Share, **fields: Any) -> GatewayModel:
    backends = (backend("m-old", "10.0.0.1"), backend("m-new", "10.0.0.2"))
    return model("m", backends=backends, shares=shares, **fields)


def test_requests_are_shared_by_weight(tmp_path: Path):
    with standing(gateway(two_revisions(Share("m-old", 80), Share("m-new", 20))), tmp_path) as stand:
        assert ask_often(stand, 500) == {200: 500}
        found = counts(stand)
    # 100 on average with a deviation of 9.
    assert 50 < found["10.0.0.2"] < 150


def test_a_weight_of_nothing_is_nothing(tmp_path: Path):
    with standing(gateway(two_revisions(Share("m-old", 100), Share("m-new", 0))), tmp_path) as stand:
        assert ask_often(stand, 50) == {200: 50}
        assert counts(stand) == {"10.0.0.1": 50}


def test_a_session_stays_on_its_revision(tmp_path: Path):
    fields = {"balancing": Balancing.STICKY_HEADER, "balancing_header": "x-session"}
    with standing(gateway(two_revisions(Share("m-old", 50), Share("m-new", 50), **fields)), tmp_path) as stand:
        homes = set()
        for session in range(20):
            ask_often(stand, 5, lambda _, name=f"s{session}": {"x-session": name})
            (home,) = counts(stand)
            homes.add(home)
    assert homes == {"10.0.0.1", "10.0.0.2"}


CONTENT = (
    ContentRoute((("x-tester", "yes"), ("x-team", "blue")), None, "m-new"),
    ContentRoute((), "/v1/completions", "m-new"),
)
CASES = [
    ("both headers", PATHS[0], {"x-tester": "yes", "x-team": "blue"}, "10.0.0.2"),
    ("one of two headers", PATHS[0], {"x-tester": "yes"}, "10.0.0.1"),
    ("another value", PATHS[0], {"x-tester": "yes please", "x-team": "blue"}, "10.0.0.1"),
    ("the path", "/v1/completions", {}, "10.0.0.2"),
    ("nothing of it", "/v1/embeddings", {}, "10.0.0.1"),
    ("the headers by another protocol", "/v2/models/team.m/infer", {"x-tester": "yes", "x-team": "blue"}, "10.0.0.2"),
]


def test_content_goes_before_shares(tmp_path: Path):
    made = gateway(two_revisions(Share("m-old", 100), content_routes=CONTENT))
    with standing(made, tmp_path) as stand:
        for sentence, path, headers, address in CASES:
            assert stand.ask("team.m", path, **headers).status_code == 200
            assert counts(stand) == {address: 1}, sentence


def _with_health(made: Gateway, address: str, health: Health) -> Gateway:
    def changed(one: Backend) -> Backend:
        return replace(
            one, endpoints=tuple(replace(at, health=health) if at.address == address else at for at in one.endpoints)
        )

    (only,) = made.models
    return replace(made, models=(replace(only, backends=tuple(map(changed, only.backends))),))


@pytest.mark.parametrize("health", [Health.DRAINING, Health.UNHEALTHY, None], ids=["draining", "unhealthy", "gone"])
def test_what_a_leaving_replica_has_is_finished_and_it_gets_nothing_new(health: Health | None, tmp_path: Path):
    with standing(gateway(model("m", "10.0.0.1", "10.0.0.2")), tmp_path) as stand:
        leaving = stand.replicas["10.0.0.1"]
        leaving.held = threading.Event()
        with ThreadPoolExecutor(20) as pool:
            held = [pool.submit(stand.ask, "team.m") for _ in range(20)]
            wait_for("it has some", lambda: bool(leaving.seen) and any(map(_done, held)), seconds=10, interval=0.05)
            rest = replace(stand.gateway, models=(model("m", "10.0.0.2"),))
            at_2 = Endpoint("m-1-1", "10.0.0.2")
            rest = replace(rest, models=(replace(rest.models[0], backends=(Backend("m-1", (at_2,)),)),))
            stand.change(rest if health is None else _with_health(stand.gateway, "10.0.0.1", health))
            wait_for("nothing new", lambda: _gets_nothing(stand, leaving), seconds=10, interval=0.05)
            leaving.held.set()
            assert {one.result().status_code for one in held} == {200}


def _done(one: Any) -> bool:
    return bool(one.done())


def _gets_nothing(stand: Stand, leaving: Any) -> bool:
    before = len(leaving.seen)
    with httpx.Client(timeout=0.5) as client:
        for _ in range(20):
            try:
                client.post(f"{stand.url}{PATHS[0]}", json={"model": "team.m"})
            except httpx.TimeoutException:
                return False
    return len(leaving.seen) == before


def test_unhealthy_replicas_get_nothing_even_when_all_are(tmp_path: Path):
    with standing(gateway(model("m", "10.0.0.1")), tmp_path) as stand:
        stand.change(_with_health(stand.gateway, "10.0.0.1", Health.UNHEALTHY))
        wait_for("the change", lambda: ask_often(stand, 1) == {503: 1}, seconds=10, interval=0.05)
        counts(stand)
        assert ask_often(stand, 10) == {503: 10}
        assert counts(stand) == {}


def test_a_replica_that_refuses_because_it_leaves_costs_nothing(tmp_path: Path):
    with standing(gateway(model("m", *THREE)), tmp_path) as stand:
        leaving = stand.replicas["10.0.0.1"]
        leaving.status, leaving.headers = 503, {"x-nereid-draining": "true"}
        assert ask_often(stand, 100) == {200: 100}
        assert leaving.seen


def test_a_replica_that_fails_at_once_costs_nothing_and_is_left_out(tmp_path: Path):
    with standing(gateway(model("m", *THREE)), tmp_path) as stand:
        broken = stand.replicas["10.0.0.1"]
        broken.status = 500
        assert ask_often(stand, 200) == {200: 200}
        assert len(broken.seen) < 20
        assert stand.envoy.stat("cluster.team/m/openai.outlier_detection.ejections_enforced_total") >= 1


def test_replicas_that_are_full_are_not_left_out(tmp_path: Path):
    with standing(gateway(model("m", *THREE)), tmp_path) as stand:
        for one in stand.replicas.values():
            one.status = 503
        assert ask_often(stand, 50) == {503: 50}
        assert stand.envoy.stat("cluster.team/m/openai.outlier_detection.ejections_enforced_total") == 0
        for one in stand.replicas.values():
            one.status = 200
        assert ask_often(stand, 30) == {200: 30}
        assert set(counts(stand)) == set(THREE)


def test_the_only_replica_is_never_left_out(tmp_path: Path):
    with standing(gateway(model("m", "10.0.0.1")), tmp_path) as stand:
        stand.replicas["10.0.0.1"].status = 500
        assert ask_often(stand, 20) == {500: 20}
        stand.replicas["10.0.0.1"].status = 200
        assert ask_often(stand, 5) == {200: 5}


def test_a_replica_that_is_not_there_costs_nothing(tmp_path: Path):
    made = gateway(model("m", "10.0.0.1", "10.0.0.2"))
    with standing(made, tmp_path) as stand:
        gone = {at: place if at[0] == "10.0.0.2" else f"127.0.0.1:{free_port()}" for at, place in stand.places.items()}
        replace(stand, places=gone).change(made)
        wait_for("the change", lambda: ask_often(stand, 20) and counts(stand) == {"10.0.0.2": 20}, seconds=10)
        assert ask_often(stand, 100) == {200: 100}


def call_often(stand: Stand, times: int) -> Counter[grpc.StatusCode]:
    """Call over one connection and return how many calls ended in each way."""
    found: Counter[grpc.StatusCode] = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{stand.gateway.port}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", request_serializer=bytes)
        for _ in range(times):
            try:
                call(MESSAGE, timeout=10)
                found[grpc.StatusCode.OK] += 1
            except grpc.RpcError as error:
                found[error.code()] += 1
    return found


def test_over_grpc_a_broken_replica_costs_nothing_and_full_ones_are_not_left_out(tmp_path: Path):
    ejected = "cluster.team/m/grpc.outlier_detection.ejections_enforced_total"
    with standing(gateway(model("m", *THREE)), tmp_path) as stand:
        for one in stand.replicas.values():
            one.status = 503
        assert call_often(stand, 50) == {grpc.StatusCode.UNAVAILABLE: 50}
        assert stand.envoy.stat(ejected) == 0
        for one in stand.replicas.values():
            one.status = 200
        stand.replicas["10.0.0.1"].status = 500
        assert call_often(stand, 50) == {grpc.StatusCode.OK: 50}
        assert stand.replicas["10.0.0.1"].seen


def test_grpc_is_balanced_by_call_and_tried_again(tmp_path: Path):
    with standing(gateway(model("m", *THREE)), tmp_path) as stand:
        stand.replicas["10.0.0.1"].status = 503
        assert call_often(stand, 60) == {grpc.StatusCode.OK: 60}
        assert {"10.0.0.2", "10.0.0.3"} <= set(counts(stand))
