"""`python -m tests.cluster`: the Kubernetes that tests and the demo run on, from the command line.

Standard library only, since it must run before the virtual environment exists. Exit code 2, with one line that says
what to do, where the machine lacks something or a step failed.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.cluster import build_images, load_image
from tests.cluster.backends import CHOICES, Backend, Request, make_backend
from tests.cluster.embedded.layout import InvalidNameError
from tests.cluster.errors import ClusterError
from tests.cluster.gobinaries import ensure_binaries
from tests.cluster.progress import say


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        backend = make_backend(Request(options.backend, options.name, options.gpus))
        return _run(options, backend)
    except (ClusterError, InvalidNameError) as failed:
        sys.stderr.write(f"error: {failed}\n")
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="python -m tests.cluster", description="The Kubernetes for tests and demo.")
    whole.add_argument("--backend", choices=CHOICES, help="by default kind where Docker answers, else embedded")
    whole.add_argument("--name", help="name of the cluster; by default NEREID_CLUSTER_NAME, else nereid")
    whole.add_argument("--gpus", type=int, default=8, help="fake nvidia.com/gpu of each node")
    commands = whole.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring the cluster up, or mend it, and wait until it is ready")
    commands.add_parser("down", help="take the cluster down and leave nothing")
    commands.add_parser("status", help="how it is, and where its logs are; exit code 1 where it is down")
    commands.add_parser("binaries", help="build what the embedded cluster runs, where it is not cached")
    commands.add_parser("build", help="build the project's images, and load them where a cluster is up")
    commands.add_parser("load", help="load an image that was built").add_argument("image")
    commands.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    commands.add_parser("kwok-nodes", help="add nodes that kwok plays").add_argument("count", type=int)
    return whole


def _run(options: argparse.Namespace, backend: Backend) -> int:
    match options.command:
        case "up":
            backend.up()
        case "down":
            backend.down()
        case "status":
            say("\n".join(backend.status()))
            return 0 if backend.is_running() else 1
        case "binaries":
            for program, path in sorted(ensure_binaries().items()):
                say(f"{program} {path}")
        case "build":
            build_images(backend)
        case "load":
            load_image(backend, options.image)
        case "kubeconfig":
            say(str(backend.kubeconfig))
        case "kwok-nodes":
            backend.add_fake_nodes(options.count)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
