"""The Kubernetes that tests and the demo run on: `python -m tests.cluster --help`, README.md beside this file.

Nothing else in the tests knows which Kubernetes it is: they get a kubeconfig, an audit log and a way to load images.
"""

from pathlib import Path

from tests.cluster.backends import Backend, Request, make_backend
from tests.cluster.errors import ClusterError
from tests.cluster.images import build_images, load_image

__all__ = ["Backend", "ClusterError", "bring_up", "build_images", "load_image"]


def bring_up() -> Path:
    """Bring the cluster up with the project's images in it, and return the administrator's kubeconfig."""
    backend = make_backend(Request())
    backend.up()
    build_images(backend)
    return backend.kubeconfig
