"""Requests made from the API's own document, right ones and wrong ones, against real frontends before a real Triton.

Whatever is sent, there is no 5xx but a 503 that says when to try again, and a 504 where the request had a deadline of
its own; and wrong requests are refused.
"""

from collections import Counter
from typing import Any, cast

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from model_runtime.frontend.reading import TIMEOUT_HEADER
from tests.runtime.conftest import Frontend

CHECKS = [
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
]
MAX_TOKENS = 2
QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.generate],
)
LONG = settings(QUICK, max_examples=1000, derandomize=False)
ROUTES = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/classify"]
MODES = list(GenerationMode)


@pytest.fixture
def served(request: pytest.FixtureRequest, path: str) -> Frontend:
    name = "embedding_frontend" if path == "/v1/embeddings" else "chat_frontend"
    return cast("Frontend", request.getfixturevalue(name))


@pytest.mark.parametrize("mode", MODES, ids=[mode.value for mode in MODES])
@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("effort", [QUICK, pytest.param(LONG, marks=pytest.mark.soak)], ids=["quick", "long"])
def test_nothing_that_is_sent_breaks_the_server(
    served: Frontend, path: str, mode: GenerationMode, effort: settings
) -> None:
    document = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    cases = document[path]["POST"].as_strategy(generation_mode=mode)

    seen = Counter[int]()

    @effort
    @given(cases)
    def fuzz(case: Case) -> None:
        seen[check(case)] += 1

    fuzz()
    assert (200 in seen) == (mode is GenerationMode.POSITIVE and path != "/v1/classify"), seen


def check(case: Case) -> int:
    """Send the request and return the status of its answer, which must be one that the document has."""
    if isinstance(case.body, dict) and "completions" in case.path:
        case.body |= shortened(case.body)
    response = case.call(timeout=300)
    case.validate_response(response, checks=CHECKS)
    match response.status_code:
        case 503:
            assert response.headers["retry-after"] == ["1"]
        case 504:
            assert TIMEOUT_HEADER in (case.headers or {})
        case status:
            assert status < 500, response.text
    return int(response.status_code)


def shortened(body: dict[str, Any]) -> dict[str, Any]:
    """Return the lengths that keep an answer short; what is wrong about a length stays wrong."""
    given = {"max_tokens": body.get("max_tokens"), "max_completion_tokens": body.get("max_completion_tokens", 1)}
    right = {
        name: value for name, value in given.items() if value is None or (type(value) is int and 0 < value < 2**31)
    }
    return dict.fromkeys((name for name in right if name == "max_tokens" or name in body), MAX_TOKENS)
