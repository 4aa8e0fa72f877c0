"""`python3 -m nereid_operator.gateway_drain`: the container `drain` of a gateway's pod, which ends before Envoy does.

    SIGTERM ──► readiness fails, every answer closes its connection ──► nothing in flight, or out of time ──► exit

Envoy is the pod's sidecar, so kubelet ends it only when this process has ended; by itself it would cut what is open at
its first signal. Speaks to Envoy's admin socket and needs neither the operator nor Kubernetes' API. Imports little.
Exit code 0, also where Envoy is gone already, which is said on stderr.
"""

import argparse
import http.client
import json
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 2.0
# Those of clients; the listener for kubelet and Prometheus and the admin interface count for themselves.
_IN_FLIGHT = "http.front.downstream_rq_active"


class AdminConnection(http.client.HTTPConnection):
    """HTTP over Envoy's Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(str(self._path))


def main(argv: Sequence[str]) -> int:
    """Wait for SIGTERM, drain, and return the exit code."""
    parser = argparse.ArgumentParser(prog="nereid_operator.gateway_drain", allow_abbrev=False)
    parser.add_argument("--admin", type=Path, required=True, help="Envoy's admin socket")
    parser.add_argument("--grace-seconds", type=float, required=True, help="until Services have forgotten the pod")
    parser.add_argument("--seconds", type=float, required=True, help="the longest time after the grace")
    arguments = parser.parse_args(argv)
    signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked from the start, so that one that comes at once is not lost either.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    sys.stderr.write("waiting for SIGTERM\n")
    signal.sigwait(signals)
    return drain(arguments.admin, arguments.grace_seconds, arguments.seconds)


def drain(admin: Path, grace_seconds: float, seconds: float) -> int:
    """Have Envoy send its clients away and wait until nothing of theirs is in flight."""
    ends = time.monotonic() + grace_seconds + seconds
    try:
        _ask(admin, "POST", "/healthcheck/fail")
        time.sleep(grace_seconds)
        while time.monotonic() < ends and requests_in_flight(admin):
            time.sleep(_POLL_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError) as gone:
        sys.stderr.write(f"no Envoy answers at {admin} ({gone}): nothing to drain\n")
    return 0


def requests_in_flight(admin: Path) -> int:
    """Return how many requests of clients Envoy is answering: 1 when it is too busy to say.

    Raises:
        FileNotFoundError: there is no socket.
        ConnectionRefusedError: nobody listens at it.

    """
    try:
        stats = json.loads(_ask(admin, "GET", f"/stats?format=json&filter=^{_IN_FLIGHT}$"))["stats"]
    except (FileNotFoundError, ConnectionRefusedError):
        raise
    except (OSError, http.client.HTTPException, ValueError):
        return 1
    return sum(int(stat["value"]) for stat in stats if stat.get("name") == _IN_FLIGHT)


def _ask(admin: Path, method: str, target: str) -> bytes:
    connection = AdminConnection(admin)
    try:
        connection.request(method, target)
        return connection.getresponse().read()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
