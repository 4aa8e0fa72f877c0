"""Ways to reach what Triton offers to administrators, other models' figures and the frontend's own pages."""

from dataclasses import dataclass

from tests.gateway.wire import http1_request

M = "team.m"
BODY = b'{"model": "team.m"}'
JSON = "content-type: application/json"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is sent over HTTP/1.1, whole."""

    sentence: str
    sent: bytes


def _plain(method: str, path: str) -> Attempt:
    return Attempt(f"{method} {path}", http1_request(method, path, JSON, body=BODY if method == "POST" else b""))


# Each is also sent over HTTP/2.
PATHS = [
    ("POST", "/v2/repository/index"),
    ("POST", f"/v2/repository/models/{M}/load"),
    ("POST", f"/v2/repository/models/{M}/unload"),
    ("GET", "/v2/systemsharedmemory/status"),
    ("POST", "/v2/systemsharedmemory/region/a/register"),
    ("POST", "/v2/systemsharedmemory/unregister"),
    ("GET", "/v2/cudasharedmemory/status"),
    ("POST", "/v2/cudasharedmemory/region/a/register"),
    ("GET", "/v2/trace/setting"),
    ("POST", "/v2/trace/setting"),
    ("GET", f"/v2/models/{M}/trace/setting"),
    ("POST", f"/v2/models/{M}/trace/setting"),
    ("GET", "/v2/logging"),
    ("POST", "/v2/logging"),
    ("GET", "/v2/models/stats"),
    ("GET", "/v2/models/other/stats"),
    ("GET", "/v2/models/"),
    ("GET", "/v2/models//stats"),
    ("GET", "/v2/models/./stats"),
    ("GET", f"/v2/models/{M}/../stats"),
    ("GET", f"/v2/models/{M}/stats/../../stats"),
    ("POST", f"/v2/models/{M}/infer/../../../repository/index"),
    ("POST", f"/v2/models/{M}/%2e%2e/%2e%2e/repository/index"),
    ("POST", f"/v2/models/{M}/%252e%252e/%252e%252e/repository/index"),
    ("POST", f"/v2/models/{M}/..%2f..%2frepository/index"),
    ("POST", f"/v2/models/{M}/..%5c..%5crepository/index"),
    ("POST", f"/v2/models/{M}/..\\..\\repository\\index"),
    ("POST", f"/v2/models/{M}/infer%2f..%2f..%2f..%2frepository%2findex"),
    ("POST", "//v2//repository//index"),
    ("POST", "/v2/;/repository/index"),
    ("POST", "/v2;a=b/repository/index"),
    ("POST", f"/v2/models/{M};/infer"),
    ("POST", f"/v2/models/{M}/infer;/../trace/setting"),
    ("GET", f"/v2/models/{M}/trace%2fsetting"),
    ("GET", f"/v2/models/{M}%2ftrace%2fsetting"),
    ("GET", f"/v2/models/{M}%00/stats"),
    ("GET", f"/v2/models/{M}/stats%00"),
    ("GET", f"/v2/models/{M}?/../../repository/index"),
    ("POST", f"/v2/models/{M}/infer?a=/../../trace/setting"),
    ("POST", "/V2/repository/index"),
    ("GET", f"/v2/MODELS/{M}"),
    ("GET", f"/v2/models/{M}/Stats"),
    ("GET", "/v2/models/%2e%2e/logging"),
    ("POST", "/v2/%72epository/index"),
    ("GET", "/v2/%74race/setting"),
    ("GET", f"/v2/models/{M}/versions/1/trace/setting"),
    ("GET", f"/v2/models/{M}/versions/../trace/setting"),
    ("GET", f"/v2/models/{M}/versions/1;/stats"),
    ("GET", f"/v2/models/{M}/metrics"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", f"/v1/models/{M}"),
    ("POST", "/v1/../metrics"),
    ("POST", "/v1/chat/completions/../../../metrics"),
    ("DELETE", f"/v2/models/{M}"),
    ("PUT", f"/v2/models/{M}/infer"),
    ("GET", f"/v2/models/{M}/infer"),
    ("POST", f"/v2/models/{M}/config"),
    ("POST", f"/v2/models/{M}/stats"),
    ("POST", "/inference.GRPCInferenceService/RepositoryIndex"),
    ("POST", "/inference.GRPCInferenceService/../v2/repository/index"),
    ("GET", "/v2/health/../repository/index"),
    ("GET", "/v2/health/ready/../../trace/setting"),
]
# Ends a connection that is still open.
_LAST = http1_request("GET", "/v2/health/ready")
_INDEX = http1_request("POST", "/v2/repository/index", body=b"{}")
_HEAD = f"POST /v2/models/{M}/infer HTTP/1.1\r\nhost: gateway\r\n"
_CHUNKED = f"{_HEAD}transfer-encoding: chunked\r\n"


def _raw(sentence: str, head: str, body: bytes = b"") -> Attempt:
    return Attempt(sentence, head.encode("latin-1") + b"\r\n" + body + _LAST)


SMUGGLED = [
    _raw("both lengths, a request behind the shorter", f"{_CHUNKED}content-length: 5\r\n", b"0\r\n\r\n" + _INDEX),
    _raw(
        "both lengths the other way round",
        f"{_HEAD}content-length: 4\r\ntransfer-encoding: chunked\r\n",
        b"0\r\n\r\n" + _INDEX,
    ),
    _raw("two lengths", f"{_HEAD}content-length: 0\r\ncontent-length: {len(_INDEX)}\r\n", _INDEX),
    _raw("a list of lengths", f"{_HEAD}content-length: 0, {len(_INDEX)}\r\n", _INDEX),
    _raw("a length with a sign", f"{_HEAD}content-length: +0\r\n", _INDEX),
    _raw("a length in hex", f"{_HEAD}content-length: 0x0\r\n", _INDEX),
    _raw("a coding in disguise", f"{_HEAD}transfer-encoding: xchunked\r\ncontent-length: 0\r\n", _INDEX),
    _raw("two codings", f"{_HEAD}transfer-encoding: chunked, identity\r\ncontent-length: 0\r\n", _INDEX),
    _raw("a coding behind a tab", f"{_HEAD}transfer-encoding:\tchunked\r\ncontent-length: 0\r\n", _INDEX),
    _raw("a space before the colon", f"{_HEAD}transfer-encoding : chunked\r\ncontent-length: 0\r\n", _INDEX),
    _raw("a folded coding", f"{_HEAD}x: y\r\n transfer-encoding: chunked\r\ncontent-length: 0\r\n", _INDEX),
    _raw("a line feed in a header", f"{_HEAD}x: y\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n", _INDEX),
    _raw("a chunk that is longer than it says", _CHUNKED, b"1\r\nab" + _INDEX + b"\r\n0\r\n\r\n"),
    _raw("a chunk with a sign", _CHUNKED, b"-1\r\n" + _INDEX),
    _raw("trailers that name a path", _CHUNKED, b"0\r\n:path: /v2/repository/index\r\n\r\n"),
]
REWRITTEN = [
    _raw(
        "the absolute form",
        "POST http://gateway/v2/repository/index HTTP/1.1\r\nhost: gateway\r\ncontent-length: 0\r\n",
    ),
    _raw("a tunnel", "CONNECT gateway:8000 HTTP/1.1\r\nhost: gateway:8000\r\n"),
    _raw("a tunnel to a path", "CONNECT /v2/repository/index HTTP/1.1\r\nhost: gateway\r\n"),
    _raw("everything of the server", "OPTIONS * HTTP/1.1\r\nhost: gateway\r\n"),
    _raw("no slash at the start", "POST v2/repository/index HTTP/1.1\r\nhost: gateway\r\ncontent-length: 0\r\n"),
    _raw(
        "two paths",
        f"POST /v2/models/{M}/infer /v2/repository/index HTTP/1.1\r\nhost: gateway\r\ncontent-length: 0\r\n",
    ),
    _raw("another upgrade", f"{_HEAD}connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n", _INDEX),
    _raw(
        "an upgrade to HTTP/2 in the clear",
        f"{_HEAD}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\ncontent-length: 0\r\n",
        _INDEX,
    ),
    *(
        Attempt(
            f"a header that rewrites: {header}", http1_request("POST", "/v2/models/other/infer", header, body=b"{}")
        )
        for header in (
            "x-original-url: /v2/repository/index",
            "x-rewrite-url: /v2/repository/index",
            "x-envoy-original-path: /v2/repository/index",
            "x-http-method-override: GET",
            "x-forwarded-prefix: /v2/repository",
            "nereid.model: team.m",
        )
    ),
]
HTTP1 = [*(_plain(method, path) for method, path in PATHS), *SMUGGLED, *REWRITTEN]

_SERVICE = "/inference.GRPCInferenceService"
GRPC_METHODS = [
    f"{_SERVICE}/RepositoryIndex",
    f"{_SERVICE}/RepositoryModelLoad",
    f"{_SERVICE}/RepositoryModelUnload",
    f"{_SERVICE}/SystemSharedMemoryStatus",
    f"{_SERVICE}/SystemSharedMemoryRegister",
    f"{_SERVICE}/SystemSharedMemoryUnregister",
    f"{_SERVICE}/CudaSharedMemoryStatus",
    f"{_SERVICE}/CudaSharedMemoryRegister",
    f"{_SERVICE}/TraceSetting",
    f"{_SERVICE}/LogSettings",
    f"{_SERVICE}/ServerLive",
    f"{_SERVICE}/ModelInfer/../RepositoryIndex",
    f"{_SERVICE}/ModelInfer;/RepositoryIndex",
    f"{_SERVICE}/ModelInfer%2f..%2fRepositoryIndex",
    f"{_SERVICE}//RepositoryIndex",
    f"{_SERVICE}/modelinfer",
    "/inference.grpcinferenceservice/RepositoryIndex",
    "/inference%2eGRPCInferenceService/RepositoryIndex",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]
_H2 = [(":method", "POST"), (":scheme", "http"), (":authority", "gateway")]
HTTP2 = {
    **{
        f"{method} {path}": [(":method", method), (":scheme", "http"), (":authority", "gateway"), (":path", path)]
        for method, path in PATHS
    },
    "two paths": [*_H2, (":path", f"/v2/models/{M}/infer"), (":path", "/v2/repository/index")],
    "a path after the headers": [
        *_H2,
        (":path", f"/v2/models/{M}/infer"),
        ("x", "y"),
        (":path", "/v2/repository/index"),
    ],
    "no path": _H2,
    "an empty path": [*_H2, (":path", "")],
    "the absolute form": [*_H2, (":path", "http://gateway/v2/repository/index")],
    "a line break in the path": [
        *_H2,
        (":path", f"/v2/models/{M}/infer HTTP/1.1\r\nx: y\r\n\r\nPOST /v2/repository/index"),
    ],
    "a line break in a header": [*_H2, (":path", f"/v2/models/{M}/infer"), ("x", "y\r\n\r\nPOST /v2/repository/index")],
    "a line break in the method": [(":method", "POST /v2/repository/index HTTP/1.1\r\n"), *_H2[1:], (":path", "/v2")],
    "a coding": [*_H2, (":path", f"/v2/models/{M}/infer"), ("transfer-encoding", "chunked")],
    "a connection header": [*_H2, (":path", f"/v2/models/{M}/infer"), ("connection", "x-nereid-admin")],
    "a length that is none": [*_H2, (":path", f"/v2/models/{M}/infer"), ("content-length", "-1")],
    "a tunnel": [(":method", "CONNECT"), (":authority", "gateway:8000")],
    "a tunnel for a protocol": [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        *_H2[1:],
        (":path", "/v2/repository/index"),
    ],
}
