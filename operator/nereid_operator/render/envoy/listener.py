"""The gateway → its listener and its certificate. Pure; called by snapshot.py.

Nothing in the listener depends on the models, so it changes, and its connections drain, only when the platform changes
its limits or its port.
"""

from nereid_operator.plan.gateway_ir import Certificate, Gateway, Limits
from nereid_operator.render.envoy.filters import early_mutations, http_filters
from nereid_operator.render.envoy.logs import access_logs
from nereid_operator.render.envoy.replies import local_replies
from nereid_operator.render.envoy.resources import ADS, FRONT, Message, extension, message

_BUFFER_BYTES = 2**20
_STREAM_WINDOW_BYTES = 2**20
_CONNECTION_WINDOW_BYTES = 16 * 2**20
_MAX_STREAMS = 256


def listener(gateway: Gateway) -> Message:
    """Return the one listener, HTTP/1.1 and HTTP/2 on one port."""
    manager = message(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", **_manager(gateway)
    )
    chain: Message = {"filters": [extension("envoy.filters.network.http_connection_manager", manager)]}
    if gateway.certificate is not None:
        chain["transport_socket"] = _tls()
        chain["transport_socket_connect_timeout"] = f"{gateway.limits.headers_seconds}s"
    return {
        "name": FRONT,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": gateway.port}},  # noqa: S104 (clients)
        "per_connection_buffer_limit_bytes": _BUFFER_BYTES,
        "filter_chains": [chain],
    }


def secret(certificate: Certificate) -> Message:
    """Return the listener's certificate, which changes without the listener."""
    return {
        "name": FRONT,
        "tls_certificate": {
            "certificate_chain": {"inline_string": certificate.chain},
            "private_key": {"inline_string": certificate.key},
        },
    }


def _tls() -> Message:
    context = message(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [{"name": FRONT, "sds_config": ADS}],
        },
    )
    return extension("envoy.transport_sockets.tls", context)


def _manager(gateway: Gateway) -> Message:
    return {
        "stat_prefix": FRONT,
        "codec_type": "AUTO",
        "rds": {"route_config_name": FRONT, "config_source": ADS},
        "http_filters": http_filters(gateway.limits),
        "access_log": access_logs(),
        "local_reply_config": local_replies(),
        "early_header_mutation_extensions": early_mutations(),
        **_identity(),
        **_paths(),
        **_bounds(gateway.limits),
    }


def _identity() -> Message:
    """Say who the client is by its connection, and nothing of ourselves."""
    return {
        "use_remote_address": True,
        "server_name": "nereid",
        "always_set_request_id_in_response": True,
    }


def _paths() -> Message:
    """Bring paths into one form before they are compared, and refuse what has two readings."""
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
    }


def _bounds(limits: Limits) -> Message:
    idle, headers = f"{limits.idle_seconds}s", f"{limits.headers_seconds}s"
    return {
        "common_http_protocol_options": {
            "idle_timeout": idle,
            "max_headers_count": limits.header_count,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        # The absolute form of a path is for proxies that clients choose, which this is not.
        "http_protocol_options": {"allow_absolute_url": False},
        "http2_protocol_options": {
            "max_concurrent_streams": _MAX_STREAMS,
            "initial_stream_window_size": _STREAM_WINDOW_BYTES,
            "initial_connection_window_size": _CONNECTION_WINDOW_BYTES,
            "connection_keepalive": {"interval": "30s", "timeout": "20s"},
        },
        "max_request_headers_kb": limits.header_bytes // 1024,
        "request_headers_timeout": headers,
        # A request has to be there as a whole, or its answer to have begun, in the time that a stream may be silent.
        "request_timeout": idle,
        "stream_idle_timeout": idle,
    }
