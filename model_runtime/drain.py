"""`python3 -m model_runtime.drain`: what the containers of a replica run before they are told to end.

    frontend   SIGUSR1 to the frontend of this container: /readyz says 503 at once. After the grace, in which Services
               forget the pod, SIGUSR2: new requests get a 503 that names the drain. Ends when nothing is in flight.
    triton     waits for the grace, then until nobody listens on the frontend's port: it has answered all it had.

Both end `--seconds` after the grace at the latest, and need neither the operator nor Kubernetes' API.
The frontend is found among the processes of the container, not by asking the network. Imports little, to start at once.
Exit code 0, or 1 with a line on stderr when there is no frontend to drain.
"""

import argparse
import http.client
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PROCESSES = Path("/proc")
_MODULE = "model_runtime.frontend"
_IN_FLIGHT_HEADER = "x-nereid-in-flight"
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 2.0


def main(argv: Sequence[str]) -> int:
    """Parse the arguments, drain, and return the exit code."""
    parser = argparse.ArgumentParser(prog="model_runtime.drain", allow_abbrev=False)
    commands = parser.add_subparsers(dest="container", required=True)
    frontend, triton = commands.add_parser("frontend"), commands.add_parser("triton")
    frontend.add_argument("--port", type=int, required=True, help="of the frontend, to tell it from other processes")
    triton.add_argument("--frontend-port", dest="port", type=int, required=True)
    for command in (frontend, triton):
        command.add_argument("--grace-seconds", type=float, required=True, help="until Services have forgotten the pod")
        command.add_argument("--seconds", type=float, required=True, help="the longest time after the grace")
    arguments = parser.parse_args(argv)
    ends = time.monotonic() + arguments.grace_seconds + arguments.seconds
    drain = drain_triton if arguments.container == "triton" else drain_frontend
    return drain(arguments.port, arguments.grace_seconds, ends)


def drain_frontend(port: int, grace_seconds: float, ends: float) -> int:
    """Tell the frontend to drain and wait until it has; `ends` is on the monotonic clock."""
    process = find_frontend(_PROCESSES, port)
    if process is None:
        sys.stderr.write(f"no process of {_MODULE} has --port {port}: nothing to drain\n")
        return 1
    try:
        os.kill(process, signal.SIGUSR1)
        time.sleep(grace_seconds)
        os.kill(process, signal.SIGUSR2)
    except ProcessLookupError:
        return 0  # it has ended meanwhile
    while time.monotonic() < ends and requests_in_flight(port):
        time.sleep(_POLL_SECONDS)
    return 0


def drain_triton(port: int, grace_seconds: float, ends: float) -> int:
    """Wait until the frontend has ended; `ends` is on the monotonic clock."""
    time.sleep(grace_seconds)
    while time.monotonic() < ends and _listens(port):
        time.sleep(_POLL_SECONDS)
    return 0


def find_frontend(processes: Path, port: int) -> int | None:
    """Return the process that serves the port, by its command line; `processes` has the layout of /proc."""
    for folder in processes.iterdir():
        if folder.name.isdigit() and _serves(folder, port):
            return int(folder.name)
    return None


def _serves(folder: Path, port: int) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False  # it has ended, or is another user's
    pairs = list(itertools.pairwise(words))
    return ("-m", _MODULE) in pairs and (("--port", str(port)) in pairs or f"--port={port}" in words)


def requests_in_flight(port: int) -> int:
    """Return how many requests the frontend is answering: 0 when it has ended, 1 when it is too busy to say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return int(connection.getresponse().getheader(_IN_FLIGHT_HEADER, "0"))
    except ConnectionRefusedError:
        return 0
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
