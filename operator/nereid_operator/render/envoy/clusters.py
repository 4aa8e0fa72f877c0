"""A backend → three clusters, one for each port that it is reached on. Pure; called by snapshot.py.

A cluster says how a replica is chosen and when one is left out for a while; which replicas there are, and whether they
may be chosen, comes by EDS alone. A changed cluster would forget what it knows of its replicas, so nothing in here
changes with them.

A replica that fails at once would get every request of LeastRequest, since it never has anything in flight: after three
failures in a row it is left out. 503 is no failure but a full or leaving replica; were it counted, a rush of requests
would take away half the replicas just when all are needed.
"""

from enum import StrEnum
from functools import cache, lru_cache

from nereid_operator.plan.gateway_ir import Backend, Balancing, GatewayModel
from nereid_operator.render.envoy.resources import ADS, Message, extension, message
from nereid_operator.render.ports import FRONTEND_PORT, GRPC_PORT, HTTP_PORT


class Kind(StrEnum):
    """By what a replica is reached: its frontend, or Triton's HTTP or gRPC."""

    OPENAI = "openai"
    HTTP = "http"
    GRPC = "grpc"


PORTS = {Kind.OPENAI: FRONTEND_PORT, Kind.HTTP: HTTP_PORT, Kind.GRPC: GRPC_PORT}

_POLICIES = "envoy.extensions.load_balancing_policies"
# A replica gets at most a quarter more than its even share, whatever the header's values are.
_BALANCE_PERCENT = 125
# Shorter than the 75 s after which the frontend closes a connection that nobody uses.
_IDLE = "30s"
_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Clusters that are the same objects as in the snapshot before need not be compared; 3 for each revision.
_REMEMBERED = 2**16
# Replicas bound their own queues, so Envoy's counters of requests shall never be what refuses one.
_MANY = 1_000_000
_FAILED = [
    {"http_response_headers_match": {"headers": [{"name": ":status", "string_match": {"exact": status}}]}}
    for status in ("500", "502", "504")
]


def cluster_name(namespace: str, backend: str, kind: Kind) -> str:
    """Return the name of a cluster and of its endpoints."""
    return f"{namespace}/{backend}/{kind}"


def clusters(model: GatewayModel, backend: Backend) -> dict[str, Message]:
    """Return the backend's clusters by name."""
    made = {}
    for kind in Kind:
        name = cluster_name(model.namespace, backend.name, kind)
        # Figures are those of the model, so that their number does not grow with its revisions.
        made[name] = _cluster(name, f"{model.namespace}/{model.name}/{kind}", kind, model.balancing)
    return made


@lru_cache(maxsize=_REMEMBERED)
def _cluster(name: str, figures: str, kind: Kind, balancing: Balancing) -> Message:
    return {
        "name": name,
        "alt_stat_name": figures,
        "type": "EDS",
        "eds_cluster_config": {"service_name": name, "eds_config": ADS},
        **_shared(kind, balancing),
    }


@cache
def _shared(kind: Kind, balancing: Balancing) -> Message:
    """Return what thousands of clusters have in common, once."""
    return {
        "connect_timeout": "2s",
        "load_balancing_policy": {"policies": [{"typed_extension_config": _balancing(balancing)}]},
        # Without a healthy replica there is an answer at once, not a guess among those that are none.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_thresholds()]},
        "outlier_detection": _outlier_detection(kind),
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 15, "keepalive_interval": 5}
        },
        "lrs_report_endpoint_metrics": ["named_metrics.*"],
        "typed_extension_protocol_options": {_PROTOCOL_OPTIONS: _protocol(kind)},
    }


def _balancing(balancing: Balancing) -> Message:
    match balancing:
        case Balancing.LEAST_REQUEST:
            # Of two replicas drawn by chance both may be the same busy one; there are few enough to look at them all.
            return _policy("least_request", "LeastRequest", selection_method="FULL_SCAN")
        case Balancing.ROUND_ROBIN:
            return _policy("round_robin", "RoundRobin")
        case Balancing.RANDOM:
            return _policy("random", "Random")
        case Balancing.STICKY_HEADER:
            bounded = {"hash_balance_factor": _BALANCE_PERCENT}
            return _policy("ring_hash", "RingHash", consistent_hashing_lb_config=bounded)


def _policy(name: str, kind: str, **fields: object) -> Message:
    return extension(f"envoy.load_balancing_policies.{name}", message(f"{_POLICIES}.{name}.v3.{kind}", **fields))


def _thresholds() -> Message:
    return {
        "max_connections": _MANY,
        "max_pending_requests": _MANY,
        "max_requests": _MANY,
        # A rush of failures is not answered by a rush of repetitions.
        "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 10},
    }


def _outlier_detection(kind: Kind) -> Message:
    return {
        "consecutive_5xx": 3,
        # In gRPC Envoy cannot tell a full replica from a broken one: there only lost connections count.
        "enforcing_consecutive_5xx": 0 if kind is Kind.GRPC else 100,
        # When replicas come back; they are left out at once. Every cluster has such a clock.
        "interval": "5s",
        "base_ejection_time": "5s",
        "max_ejection_time": "30s",
        # Strict: the last replica is never left out, nor more than half of them.
        "max_ejection_percent": 50,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
    }


def _protocol(kind: Kind) -> Message:
    if kind is Kind.GRPC:
        keepalive = {"interval": "30s", "timeout": "10s"}
        return message(
            _PROTOCOL_OPTIONS,
            common_http_protocol_options={"idle_timeout": _IDLE},
            explicit_http_config={"http2_protocol_options": {"connection_keepalive": keepalive}},
        )
    return message(
        _PROTOCOL_OPTIONS,
        common_http_protocol_options={"idle_timeout": _IDLE},
        explicit_http_config={"http_protocol_options": {}},
        outlier_detection={"error_matcher": {"or_match": {"rules": _FAILED}}},
    )
