"""`python3 -m model_runtime.frontend`: the container `frontend` of a replica.

Runs until SIGTERM: then it takes no more requests, finishes those it has, and ends with exit code 0.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from model_runtime import termination
from model_runtime.arguments import ArgumentParser
from model_runtime.engines.errors import ModelError
from model_runtime.errors import InvalidArgument, InvalidModel
from model_runtime.frontend.admission import Admission
from model_runtime.frontend.app import make_app
from model_runtime.frontend.load import LoadReport
from model_runtime.frontend.metrics import make_metrics
from model_runtime.frontend.prompts import Prompts, load_prompts
from model_runtime.frontend.server import serve
from model_runtime.frontend.service import DEFAULT_BODY_SECONDS, Service
from model_runtime.frontend.triton_client import TritonClient
from model_runtime.manifest import is_manifest_digest
from model_runtime.verify import Task

# The longest stream that a shutdown waits for; Kubernetes' grace period ends it earlier where it is shorter.
SHUTDOWN_SECONDS = 600.0


def command(argv: Sequence[str]) -> termination.Result:
    """Parse the arguments and serve until SIGTERM."""
    arguments = _parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    prompts = None if arguments.task == Task.TENSOR else _load(arguments.weights)
    asyncio.run(_serve(arguments, prompts))
    return {}


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = ArgumentParser(prog="model_runtime.frontend", allow_abbrev=False)
    parser.add_argument("--task", choices=[task.value for task in Task], required=True)
    parser.add_argument("--served-name", required=True)
    parser.add_argument("--alias", metavar="NAME", help="a second name by which requests may call the model")
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR")
    parser.add_argument("--triton", required=True, metavar="HOST:PORT", help="Triton's gRPC address")
    parser.add_argument("--triton-metrics", metavar="HOST:PORT", help="left out: answers carry no load report")
    parser.add_argument("--digest", help="of the manifest that Triton should have loaded; left out: any will do")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a pod's own network
    parser.add_argument("--port", type=int, required=True, metavar="N")
    parser.add_argument("--body-seconds", type=float, default=DEFAULT_BODY_SECONDS, help="how long a body may take")
    termination.add_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.digest and not is_manifest_digest(arguments.digest):
        raise InvalidArgument(f"--digest {arguments.digest!r}: expected sha256:<64 lower-case hex digits>")
    return arguments


async def _serve(arguments: argparse.Namespace, prompts: Prompts | None) -> None:
    name, metrics_address = arguments.served_name, arguments.triton_metrics
    service = Service(
        served_name=name,
        task=arguments.task,
        prompts=prompts,
        triton=TritonClient(arguments.triton, name),
        metrics=make_metrics(),
        admission=Admission(),
        created=int(time.time()),
        alias=arguments.alias or None,
        digest=arguments.digest or None,
        load=LoadReport(metrics_address, name) if metrics_address else None,
        body_seconds=arguments.body_seconds,
    )
    await serve(make_app(service), service.admission, arguments.host, arguments.port, SHUTDOWN_SECONDS)


def _load(folder: Path) -> Prompts:
    try:
        return load_prompts(folder)
    except ModelError as error:
        raise InvalidModel(str(error)) from error


if __name__ == "__main__":
    sys.exit(termination.run(sys.argv[1:], command))
