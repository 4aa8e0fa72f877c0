"""The smallest gateway to test the control plane with: one listener, one route and one cluster for each model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resources

ADS = {"ads": {}, "resource_api_version": "V3"}
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
STATE = "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config"
LOG = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"


def cluster(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": ADS},
        "connect_timeout": "1s",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "lrs_report_endpoint_metrics": ["named_metrics.*"],
        **more,
    }


def assignment(name: str, ports: Iterable[int], **of_endpoint: Any) -> dict[str, Any]:
    return {
        "cluster_name": name,
        "endpoints": [
            {
                "lb_endpoints": [
                    {
                        "endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}},
                        **of_endpoint,
                    }
                    for port in ports
                ]
            }
        ],
    }


def listener(port: int) -> dict[str, Any]:
    log = {
        "@type": LOG,
        "common_config": {
            "log_name": "nereid",
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "xds"}},
            "buffer_flush_interval": "0.1s",
            "filter_state_objects_to_log": ["nereid.model"],
        },
    }
    manager = {
        "@type": HCM,
        "stat_prefix": "front",
        "rds": {"route_config_name": "front", "config_source": ADS},
        "access_log": [{"name": "grpc", "typed_config": log}],
        "http_filters": [
            {"name": "state", "typed_config": {"@type": STATE, "on_request_headers": [_model_from_path()]}},
            {"name": "router", "typed_config": {"@type": ROUTER}},
        ],
    }
    return {
        "name": "front",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _model_from_path() -> dict[str, Any]:
    return {
        "object_key": "nereid.model",
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "%REQ(:PATH)%"}},
    }


def routes(models: Iterable[str]) -> dict[str, Any]:
    found = [
        {
            "name": f"{model}/http",
            "match": {"path": f"/{model}"},
            "route": {
                "cluster": model,
                "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2},
            },
        }
        for model in models
    ]
    missing = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    return {"name": "front", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [*found, missing]}]}


def gateway(port: int, models: Mapping[str, Sequence[int]], **clusters: Mapping[str, Any]) -> Resources:
    """Return a gateway on a port: model → the ports of its endpoints; `clusters` in place of a model's plain one."""
    return {
        CLUSTER: {model: clusters.get(model, cluster(model)) for model in models},
        ENDPOINTS: {model: assignment(model, ports) for model, ports in models.items()},
        LISTENER: {"front": listener(port)},
        ROUTES: {"front": routes(models)},
    }
