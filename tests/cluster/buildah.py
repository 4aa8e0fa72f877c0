"""Images without a container engine: buildah, on a base image made from the distribution's packages.

buildah keeps its layers under the cache directory, apart from any other user's. It runs in a mount namespace of its
own, so that no mount of it stays on the host.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.buildargs import offered
from tests.cluster.commands import run, run_logged
from tests.cluster.errors import CommandError, NotRunningError
from tests.cluster.packages import BUILD_PROGRAMS, ensure_packages, require_root
from tests.cluster.progress import Progress

if TYPE_CHECKING:
    from tests.cluster.images import BuildInputs

BASE = "docker.io/library/debian:bookworm-slim"
_SUITE = "bookworm"
_CA_IN_BUILD = "/run/nereid-build/ca.crt"


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a store of its own."""

    store: Path

    def prepare(self) -> None:
        """Install buildah and make the base image where they are missing."""
        require_root("building images without Docker")
        ensure_packages(BUILD_PROGRAMS)
        self.store.mkdir(parents=True, exist_ok=True)
        if self._has(BASE):
            return
        with Progress("image", ["debian base image"]).step("debian base image"):
            self._make_base()

    def build(self, tag: str, dockerfile: Path, inputs: "BuildInputs") -> None:
        """Build one image; layers of earlier builds are used again."""
        volumes, values = self._machine(inputs)
        mounts = [word for volume in volumes for word in ("--volume", volume)]
        options = ("--pull=never", "--isolation", "chroot", "--layers", *mounts)
        arguments = offered(dockerfile.read_text(), values)
        log = self.store.parent / "logs" / f"{dockerfile.parent.name}-image.log"
        run_logged(log, *self._command("build", *options, *arguments, "-t", tag, "-f", dockerfile, inputs.context))

    def image_id(self, tag: str) -> str:
        """Return the id of a built image."""
        return f"sha256:{self._inspect(tag)['FromImageID']}"

    def size(self, tag: str) -> int:
        """Return the bytes of a built image."""
        images = json.loads(run(*self._command("images", "--json", tag)))
        return _bytes(str(images[0]["size"]))

    def save(self, tag: str, target: Path) -> None:
        """Write a docker archive."""
        run(*self._command("push", "--quiet", tag, f"docker-archive:{target}:{tag}"))

    def _machine(self, inputs: "BuildInputs") -> tuple[list[str], dict[str, str]]:
        """Return mounts and build arguments that tell a build of this machine's wheels and certificates.

        pip reads them from its configuration file too, so that a Dockerfile need not know of them.
        """
        volumes, values, lines = [], {}, ["[global]"]
        if inputs.wheels is not None:
            # Other wheels are mounted elsewhere, so that layers made with the old ones are not taken for the new.
            target = f"/wheels/{_listing_key(inputs.wheels)}"
            volumes.append(f"{inputs.wheels}:{target}:ro")
            values["PIP_FIND_LINKS"] = target
            lines.append(f"find-links = {target}")
        if inputs.ca_bundle is not None:
            volumes.append(f"{inputs.ca_bundle}:{_CA_IN_BUILD}:ro")
            values |= {"PIP_CERT": _CA_IN_BUILD, "SSL_CERT_FILE": _CA_IN_BUILD}
            lines.append(f"cert = {_CA_IN_BUILD}")
        pip = self.store / "pip.conf"
        pip.write_text("\n".join([*lines, ""]))
        return [*volumes, f"{pip}:/etc/pip.conf:ro"], values

    def _make_base(self) -> None:
        archive = self.store / "base.tar"
        log = self.store.parent / "logs" / "base-image.log"
        run_logged(log, "mmdebstrap", "--variant=minbase", _SUITE, archive)
        container = run(*self._command("from", "scratch")).strip()
        try:
            run(*self._command("add", "--quiet", container, archive, "/"))
            run(*self._command("config", "--cmd", "bash", container))
            run(*self._command("commit", "--quiet", container, BASE))
        finally:
            run(*self._command("rm", container))
            archive.unlink(missing_ok=True)

    def _has(self, tag: str) -> bool:
        try:
            self._inspect(tag)
        except NotRunningError:
            return False
        return True

    def _inspect(self, tag: str) -> dict[str, str]:
        try:
            return dict(json.loads(run(*self._command("inspect", "--type", "image", tag))))
        except CommandError as missing:
            raise NotRunningError(f"image {tag} is not built: run `build` first ({missing})") from None

    def _command(self, *arguments: str | Path) -> tuple[str, ...]:
        places = ("--root", self.store / "root", "--runroot", self.store / "run")
        return tuple(map(str, ("unshare", "--mount", "buildah", *places, *arguments)))


def _listing_key(folder: Path) -> str:
    """Return 8 hex digits over the names and sizes of the files in a folder."""
    listing = "\n".join(sorted(f"{path.name} {path.stat().st_size}" for path in folder.iterdir()))
    return hashlib.sha256(listing.encode()).hexdigest()[:8]


def _bytes(size: str) -> int:
    """`1.37 GB` → 1370000000 (pure)."""
    number, unit = size.split()
    return round(float(number) * {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}[unit.upper()])
