"""How the containers of a replica end, with no operator needed. Pure; called by render/workload.py and triton.py.

    preStop frontend   serve what comes while Services forget the pod ─► refuse what is new until no stream is left
    preStop triton     wait until the frontend has ended, which takes its last SIGTERM before Triton takes its own

Clients of the Open Inference Protocol reach Triton past the frontend: after SIGTERM it takes no new requests and lets
those in flight end, for as long as the longest stream.
"""

from typing import Any

from nereid_operator.plan.ir import Timing, Workload
from nereid_operator.render.ports import FRONTEND_PORT

# The endpoints of a pod that is going are withdrawn within this time, so it still answers who comes late.
GRACE_SECONDS = 5
# A container that a probe ends is stuck: no stream of it is left to wait for, and its hook must not hold it up.
STUCK_SECONDS = 5
# What a process needs to end once it has nothing to do.
_END_SECONDS = 5

# In the image of vLLM there is none of our code; bash asks whether the frontend's port still listens.
WAIT_FOR_FRONTEND = (
    "sleep {grace}; end=$((SECONDS + {seconds})); "
    "while ((SECONDS < end)) && (: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep 1; done"
)


def frontend_pre_stop(timing: Timing) -> dict[str, Any]:
    """Return the hook of `frontend`: it ends when no stream is left, or the longest one has had its time."""
    command = ["python3", "-m", "model_runtime.drain", "frontend", f"--port={FRONTEND_PORT}"]
    return _exec([*command, f"--grace-seconds={GRACE_SECONDS}", f"--seconds={timing.drain_seconds}"])


def triton_pre_stop(workload: Workload) -> dict[str, Any]:
    """Return the hook of `triton`: it ends once nobody listens on the frontend's port."""
    seconds = _frontend_seconds(workload.timing)
    if workload.vllm is not None:
        script = WAIT_FOR_FRONTEND.format(grace=GRACE_SECONDS, seconds=seconds, port=FRONTEND_PORT)
        return _exec(["bash", "-c", script])
    command = ["python3", "-m", "model_runtime.drain", "triton", f"--frontend-port={FRONTEND_PORT}"]
    return _exec([*command, f"--grace-seconds={GRACE_SECONDS}", f"--seconds={seconds}"])


def termination_seconds(timing: Timing) -> int:
    """Return how long a pod may take to end: the hooks, and then Triton's own streams."""
    return GRACE_SECONDS + _frontend_seconds(timing) + timing.drain_seconds + _END_SECONDS


def _frontend_seconds(timing: Timing) -> int:
    """Return how long `frontend` may take once the grace is over."""
    return timing.drain_seconds + _END_SECONDS


def _exec(command: list[str]) -> dict[str, Any]:
    return {"preStop": {"exec": {"command": command}}}
