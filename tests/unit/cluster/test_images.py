"""Images of one program, what builds are told of this machine, and what is known of loaded images."""

import io
import json
import tarfile

import pytest

from tests.cluster.buildah import _bytes
from tests.cluster.buildargs import offered
from tests.cluster.embedded.imagestore import parse_images
from tests.cluster.images import build_inputs, image_tag
from tests.cluster.tinyimages import TinyImage, archive


@pytest.fixture
def made(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return TinyImage("nereid.dev/x:1", program, "/bin/x", ("/bin/x",), ("/bin/sh",))


def test_an_image_is_a_docker_archive_of_one_layer(made):
    result = archive(made, "x86_64")
    with tarfile.open(fileobj=io.BytesIO(result.content)) as outer:
        (entry,) = json.load(outer.extractfile("manifest.json"))
        config = json.load(outer.extractfile(entry["Config"]))
        with tarfile.open(fileobj=outer.extractfile(entry["Layers"][0])) as layer:
            members = {member.name: member for member in layer.getmembers()}
    assert entry["RepoTags"] == ["nereid.dev/x:1"]
    assert f"sha256:{entry['Config'].removesuffix('.json')}" == result.image_id
    assert config["architecture"] == "amd64"
    assert config["config"]["Entrypoint"] == ["/bin/x"]
    assert members["bin/x"].mode == 0o755
    assert members["bin/sh"].linkname == "/bin/x"
    assert members["tmp"].mode == 0o1777


def test_the_same_program_gives_the_same_image(made):
    assert archive(made, "x86_64") == archive(made, "x86_64")


def test_the_id_that_was_noted_is_read_back():
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        "nereid.dev/a:1 application/x sha256:1 2.0 MiB linux/amd64 a=b,nereid.dev/image-id=sha256:5 \n"
        "sha256:9 application/x sha256:1 2.0 MiB linux/amd64 io.cri-containerd.image=managed \n"
    )
    assert parse_images(listing) == {"nereid.dev/a:1": "sha256:5", "sha256:9": ""}


def test_only_declared_build_arguments_are_passed():
    dockerfile = "FROM x\nARG PIP_CERT\nARG OTHER=1\n"
    assert offered(dockerfile, {"PIP_CERT": "/ca", "PIP_FIND_LINKS": "/w"}) == ["--build-arg", "PIP_CERT=/ca"]


def test_wheels_beside_the_repository_are_found(tmp_path):
    (tmp_path / "shared" / "wheels").mkdir(parents=True)
    repository = tmp_path / "main"
    inputs = build_inputs({"PIP_FIND_LINKS": str(tmp_path)}, repository)
    assert inputs.wheels == tmp_path / "shared" / "wheels"
    assert inputs.ca_bundle is None


def test_the_version_of_an_image_is_the_projects(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert image_tag("operator", tmp_path) == "nereid.dev/operator:1.2.3"


@pytest.mark.parametrize(("text", "size"), [("1.37 GB", 1_370_000_000), ("331 MB", 331_000_000), ("12 KB", 12_000)])
def test_sizes_of_buildah_are_read(text, size):
    assert _bytes(text) == size
