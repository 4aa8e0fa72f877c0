"""`python3 -m model_runtime.frontend`: the container `frontend` of a replica.

Runs until SIGTERM: then it takes no more connections, finishes the requests it has, and ends with exit code 0.
"""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from model_runtime import termination
from model_runtime.arguments import ArgumentParser
from model_runtime.engines.errors import ModelError
from model_runtime.errors import InvalidModel
from model_runtime.frontend.app import make_app
from model_runtime.frontend.metrics import make_metrics
from model_runtime.frontend.prompts import Prompts, load_prompts
from model_runtime.frontend.service import Service
from model_runtime.frontend.triton_client import TritonClient
from model_runtime.verify import Task

# The longest stream that a shutdown waits for; Kubernetes' grace period ends it earlier where it is shorter.
SHUTDOWN_SECONDS = 600.0


def command(argv: Sequence[str]) -> termination.Result:
    """Parse the arguments and serve until SIGTERM."""
    parser = ArgumentParser(prog="model_runtime.frontend", allow_abbrev=False)
    parser.add_argument("--task", choices=[task.value for task in Task], required=True)
    parser.add_argument("--served-name", required=True)
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR")
    parser.add_argument("--triton", required=True, metavar="HOST:PORT", help="Triton's gRPC address")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a pod's own network
    parser.add_argument("--port", type=int, required=True, metavar="N")
    termination.add_argument(parser)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    prompts = _load(arguments.weights)

    async def start() -> web.Application:
        return make_app(
            Service(
                served_name=arguments.served_name,
                task=arguments.task,
                prompts=prompts,
                triton=TritonClient(arguments.triton, arguments.served_name),
                metrics=make_metrics(),
                created=int(time.time()),
            )
        )

    web.run_app(
        start(),
        host=arguments.host,
        port=arguments.port,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handler_cancellation=True,  # a client that hangs up ends its generation
        access_log=None,
        print=None,
    )
    return {}


def _load(folder: Path) -> Prompts:
    try:
        return load_prompts(folder)
    except ModelError as error:
        raise InvalidModel(str(error)) from error


if __name__ == "__main__":
    sys.exit(termination.run(sys.argv[1:], command))
