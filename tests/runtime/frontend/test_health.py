"""What /healthz and /readyz say, and why."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from model_runtime.frontend.readiness import LoadedModel, why_not_ready
from tests.runtime.conftest import Frontend, frontend
from tests.runtime.frontend.stand_in import Script, StandIn
from tests.stack.ports import free_ports

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def get(served: Frontend, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{served.url}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as failure:
        with failure:
            return failure.code, failure.read().decode()


@pytest.mark.parametrize(
    ("loaded", "wanted", "reason"),
    [
        (None, None, "triton has not loaded the model"),
        (None, DIGEST, "triton has not loaded the model"),
        (LoadedModel(None), None, None),
        (LoadedModel(DIGEST), None, None),
        (LoadedModel(DIGEST), DIGEST, None),
        (LoadedModel(OTHER), DIGEST, f"triton has loaded {OTHER}; this pod should serve {DIGEST}"),
        (LoadedModel(None), DIGEST, f"triton has loaded a model without a digest; this pod should serve {DIGEST}"),
    ],
)
def test_a_replica_is_ready_for_the_model_it_should_serve(
    loaded: LoadedModel | None, wanted: str | None, reason: str | None
) -> None:
    assert why_not_ready(loaded, wanted) == reason


def test_readiness_follows_what_triton_has_loaded(stand_in: StandIn, smollm2: Path, tmp_path: Path) -> None:
    stand_in.script = Script(loaded=False)
    flags = ("--digest", DIGEST)
    with frontend(stand_in.address, "Chat", "m", smollm2, tmp_path, *flags, begins_at="/healthz") as served:
        assert get(served, "/readyz") == (503, "triton has not loaded the model\n")
        stand_in.script = Script(digest=OTHER)
        assert get(served, "/readyz") == (503, f"triton has loaded {OTHER}; this pod should serve {DIGEST}\n")
        stand_in.script = Script(digest=DIGEST)
        assert get(served, "/readyz") == (200, "ok\n")


def test_without_triton_the_replica_lives_and_says_why_it_is_not_ready(smollm2: Path, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    with frontend(nobody, "Chat", "m", smollm2, tmp_path, begins_at="/healthz") as served:
        status, reason = get(served, "/readyz")
        assert status == 503
        assert reason.startswith("triton: the model does not answer: ")
        assert get(served, "/healthz") == (200, "ok\n")


def test_a_wrong_digest_is_no_digest(smollm2: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="expected sha256:<64 lower-case hex digits>"),
        frontend("127.0.0.1:1", "Chat", "m", smollm2, tmp_path, "--digest", "sha256:1", begins_at="/healthz"),
    ):
        pass
