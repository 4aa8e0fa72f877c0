"""Images in the node's containerd. A label remembers each image's id, so that nothing is loaded twice."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.commands import run
from tests.cluster.embedded.layout import Layout
from tests.cluster.tinyimages import archive, system_images

_LABEL = "nereid.dev/image-id"


def parse_images(listing: str) -> dict[str, str]:
    """Read `ctr images ls`: tag → the id that was noted when it was loaded, or an empty text (pure)."""
    rows = [line.split() for line in listing.splitlines()[1:] if line.strip()]
    found = {row[0]: re.search(rf"{re.escape(_LABEL)}=([^,\s]+)", row[-1]) for row in rows}
    return {tag: match.group(1) if match else "" for tag, match in found.items()}


def loaded_images(layout: Layout) -> dict[str, str]:
    """Return the images in the node: tag → id."""
    return parse_images(_ctr(layout, "images", "ls"))


def load_archive(layout: Layout, tag: str, image_id: str, path: Path) -> None:
    """Import a docker archive whose image has the tag."""
    _ctr(layout, "images", "import", str(path))
    _ctr(layout, "images", "label", tag, f"{_LABEL}={image_id}")


def name_image_again(layout: Layout, tag: str, other: str) -> None:
    """Give a loaded image another tag, which then means it and no longer what it meant."""
    _ctr(layout, "images", "tag", "--force", tag, other)


def load_system_images(layout: Layout, programs: Mapping[str, Path], busybox: Path, machine: str) -> None:
    """Load the images of the cluster's own pods where they are missing or of another build."""
    there = loaded_images(layout)
    for image in system_images(programs, busybox):
        made = archive(image, machine)
        if there.get(image.tag) == made.image_id:
            continue
        with tempfile.NamedTemporaryFile(dir=layout.state, suffix=".tar") as file:
            file.write(made.content)
            file.flush()
            load_archive(layout, made.tag, made.image_id, Path(file.name))


def _ctr(layout: Layout, *arguments: str) -> str:
    return run("ctr", "--address", layout.containerd_socket, "--namespace", "k8s.io", *arguments)
