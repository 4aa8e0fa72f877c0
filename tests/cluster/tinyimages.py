"""Images of one static program each, written as docker archives without any tool.

In: a program and the name under which it is to run. Out: a tar that containerd imports. The same bytes in give the same
bytes out, so an image that is already loaded is known by its id. Called by the embedded back end.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUSYBOX = "nereid.dev/busybox:1"
PAUSE = "nereid.dev/pause:1"
COREDNS = "nereid.dev/coredns:1.14.7"
LOCAL_PATH = "nereid.dev/local-path-provisioner:0.0.30"
VERSITYGW = "nereid.dev/versitygw:1.8.0"
REGISTRY = "nereid.dev/registry:3.1.2"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# What the helper pods of the provisioner and the tests call by name.
_APPLETS = (
    "sh",
    "cat",
    "chmod",
    "cp",
    "echo",
    "httpd",
    "id",
    "ls",
    "mkdir",
    "mv",
    "nc",
    "nslookup",
    "rm",
    "sleep",
    "wget",
)


@dataclass(frozen=True, slots=True)
class TinyImage:
    """One program as an image."""

    tag: str
    program: Path
    target: str
    entrypoint: tuple[str, ...]
    links: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Archive:
    """A docker archive and the id of the image in it."""

    tag: str
    image_id: str
    content: bytes


def system_images(programs: Mapping[str, Path], busybox: Path) -> tuple[TinyImage, ...]:
    """Return the images that every embedded cluster holds (pure)."""
    shell = "/bin/busybox"
    return (
        TinyImage(PAUSE, busybox, shell, (shell, "sleep", "2147483647")),
        TinyImage(COREDNS, programs["coredns"], "/coredns", ("/coredns",)),
        TinyImage(LOCAL_PATH, programs["local-path-provisioner"], "/provisioner", ("/provisioner",)),
        TinyImage(BUSYBOX, busybox, shell, (shell,), tuple(f"/bin/{name}" for name in _APPLETS)),
        TinyImage(VERSITYGW, programs["versitygw"], "/versitygw", ("/versitygw",)),
        TinyImage(REGISTRY, programs["registry"], "/registry", ("/registry",)),
    )


def archive(image: TinyImage, machine: str) -> Archive:
    """Return the image as a docker archive for a machine as `uname -m` names it."""
    layer = _layer(image)
    layer_id = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {"Entrypoint": list(image.entrypoint), "Env": ["PATH=/bin:/"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]},
            "history": [{"created_by": "nereid test cluster"}],
        }
    ).encode()
    image_id = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{image_id}.json", "RepoTags": [image.tag], "Layers": [f"{layer_id}/layer.tar"]}]
    members = {
        "manifest.json": json.dumps(manifest).encode(),
        f"{image_id}.json": config,
        f"{layer_id}/layer.tar": layer,
    }
    return Archive(image.tag, f"sha256:{image_id}", _tar([(_file(name), data) for name, data in members.items()]))


def _layer(image: TinyImage) -> bytes:
    """The root file system: the program, links to it, and a /tmp for everybody."""
    temporary = tarfile.TarInfo("tmp")
    temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
    links = []
    for name in image.links:
        link = tarfile.TarInfo(name.lstrip("/"))
        link.type, link.linkname = tarfile.SYMTYPE, image.target
        links.append((link, b""))
    return _tar([(temporary, b""), (_file(image.target.lstrip("/"), 0o755), image.program.read_bytes()), *links])


def _file(name: str, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = mode
    return info


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for info, data in members:
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
