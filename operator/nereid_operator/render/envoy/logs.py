"""What is written of each request: JSON to stdout, and an entry to the operator. Pure; called by listener.py."""

from nereid_operator.render.envoy.resources import CONTROL_CLUSTER, MODEL_STATE, Message, extension, message

LOG_NAME = "nereid"

# What clients choose is cut where it could be long.
_LINE = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "protocol": "%PROTOCOL%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH):300%",
    "model": f"%FILTER_STATE({MODEL_STATE}:PLAIN):300%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "replica": "%UPSTREAM_HOST%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "first_byte_ms": "%RESPONSE_DURATION%",
    "duration_ms": "%DURATION%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "traceparent": "%REQ(TRACEPARENT):55%",
    "user_agent": "%REQ(USER-AGENT):100%",
}


def access_logs() -> list[Message]:
    """Return both logs."""
    return [extension("envoy.access_loggers.stdout", _line()), extension("envoy.access_loggers.http_grpc", _entry())]


def _line() -> Message:
    return message(
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": _LINE},
    )


def _entry() -> Message:
    return message(
        "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
        common_config={
            "log_name": LOG_NAME,
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": CONTROL_CLUSTER}},
            "filter_state_objects_to_log": [MODEL_STATE],
        },
    )
