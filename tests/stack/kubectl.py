"""The real kubectl as a value: every call is one process, every answer parsed JSON."""

import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.binaries import binary
from tests.stack.wait import wait_for

Object = dict[str, Any]
MODELS = "modeldeployments.nereid.dev"


class KubectlError(RuntimeError):
    """kubectl ended with another code than 0; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl for one cluster."""

    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        """Run kubectl and return its standard output."""
        done = subprocess.run(
            self._command(*arguments), input=stdin, text=True, capture_output=True, timeout=seconds, check=False
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, *objects: Object) -> None:
        """Apply objects as a user does."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run("apply", "-f", "-", stdin=json.dumps(bundle))

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """Return the object, or None where there is none."""
        text = self.run("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    def select(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """Return the objects of a kind that the label selector takes."""
        text = self.run("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        return list(json.loads(text)["items"])

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace and wait until it is gone."""
        self.run("delete", "namespace", name, "--ignore-not-found", "--timeout=120s", seconds=150)

    @contextlib.contextmanager
    def port_forward(self, target: str, namespace: str, *ports: int) -> Iterator[dict[int, int]]:
        """Give local ports for the ports of a Service or pod, as long as the block runs."""
        command = self._command("port-forward", "-n", namespace, target, *(f":{port}" for port in ports))
        # A file, not a pipe: kubectl prints a line for every connection, and a full pipe would stop it.
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            try:
                local = wait_for(
                    f"port-forward of {target}", lambda: _forwarded(process, output, len(ports)), seconds=30
                )
                yield dict(zip(ports, local, strict=True))
            finally:
                process.terminate()
                process.wait()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start kubectl and return the process; its standard output is a pipe."""
        return subprocess.Popen(self._command(*arguments), stdout=subprocess.PIPE, text=True)

    def _command(self, *arguments: str) -> list[str]:
        return [str(binary("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments]


def _forwarded(process: subprocess.Popen[bytes], output: IO[str], count: int) -> list[int] | None:
    """Return the local ports once kubectl listens on all; it forwards in the order the ports were named."""
    output.seek(0)
    text = output.read()
    if process.poll() is not None:
        raise KubectlError(f"port-forward ended: {text.strip()}")
    local = [int(port) for port in re.findall(r"Forwarding from 127\.0\.0\.1:(\d+) -> \d+", text)]
    return local if len(local) == count else None
