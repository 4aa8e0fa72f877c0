"""The cluster that the end-to-end tests share. It is brought up here and taken down by the Makefile.

NEREID_KEEP_CLUSTER=1 has the Makefile keep it. Workers of pytest-xdist may all ask: `up` waits on a lock.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.backends import Request, make_backend

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What tests know of the cluster."""

    kubeconfig: Path
    audit_log: Path | None


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The running cluster; tests that read the audit log need one whose log is on this machine."""
    subprocess.run([sys.executable, "-m", "tests.cluster", "up"], cwd=REPOSITORY, check=True)
    backend = make_backend(Request())
    return Cluster(backend.kubeconfig, backend.audit_log)
