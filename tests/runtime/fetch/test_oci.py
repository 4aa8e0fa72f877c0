"""Models in a real registry: pinned manifests, logins of each kind, redirects, and registries that are wrong."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import httpx
import pytest

from model_runtime import errors
from model_runtime.arguments import SourceArguments
from model_runtime.fetch.egress import Egress
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.prepare import prepare
from model_runtime.resolve import resolve
from model_runtime.serving import Serving
from model_runtime.verify import Task
from tests.runtime.fetch import command
from tests.runtime.fetch.registries import TokenService, running_registry, running_token_service
from tests.runtime.fetch.tiny import chat_model
from tests.stack.certificates import Authority
from tests.stack.registry import (
    HTPASSWD,
    INDEX,
    PASSWORD,
    USER,
    artifact,
    digest_of,
    layer,
    push,
    push_blob,
    push_manifest,
)
from tests.stack.webserver import Fault, WebServer, serving

BOTH_HOSTS = "127.0.0.1 localhost"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all registries here hold."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def registry(storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that wants nothing."""
    with running_registry(storage, tmp_path_factory.mktemp("open")) as url:
        yield url


@pytest.fixture(scope="module")
def locked(storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, with a password."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "htpasswd").write_text(HTPASSWD)
    with running_registry(
        storage, folder, auth={"htpasswd": {"realm": "models", "path": str(folder / "htpasswd")}}
    ) as url:
        yield url


@pytest.fixture(scope="module")
def token_service(authority: Authority) -> Iterator[TokenService]:
    with running_token_service(authority) as service:
        yield service


@pytest.fixture(scope="module")
def by_token(storage: Path, token_service: TokenService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, with tokens."""
    with running_registry(storage, tmp_path_factory.mktemp("by-token"), auth=token_service.auth) as url:
        yield url


@pytest.fixture
def client(registry: str) -> Iterator[httpx.Client]:
    """What pushes."""
    with httpx.Client(base_url=registry) as client:
        yield client


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository that no other test uses."""
    return f"team/{request.node.name.split('[')[0]}"


def source(registry: str, repository: str, revision: str | None = None, **more: object) -> SourceArguments:
    # The host of the URI is another one: only the endpoint is asked.
    return SourceArguments(uri=f"oci://registry.example.com/{repository}", endpoint=registry, revision=revision, **more)


def secret(tmp_path: Path, **values: str) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir()
    for key, value in values.items():
        (folder / key).write_text(value)
    return folder


def user(tmp_path: Path, hosts: str = BOTH_HOSTS, password: str = PASSWORD) -> Path:
    return secret(tmp_path, hosts=hosts, username=USER, password=password)


def test_a_tag_is_pinned_to_the_digest_of_its_manifest(
    registry: str, client: httpx.Client, repository: str, patience: Patience, tmp_path: Path
) -> None:
    model = chat_model()
    pushed = push(client, repository, "v1", model)
    resolved = resolve(source(registry, repository, "v1"), Task.AUTO, patience)
    assert (resolved["revision"], resolved["task"], resolved["files"]) == (pushed, "Chat", 4)
    push(client, repository, "v1", model | {"generation_config.json": b"{}"})
    assert resolve(source(registry, repository, "v1"), Task.AUTO, patience)["revision"] != pushed
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors.part").write_bytes(model["model.safetensors"][:123_456])
    serving = Serving("tiny", Task.CHAT, PurePosixPath(weights), 8, 5000)
    pinned = source(registry, repository, pushed, digest=str(resolved["digest"]))
    prepare(pinned, serving, tmp_path / "repository", patience, Progress(report=print, now=patience.clock.now))
    assert {path.name: path.read_bytes() for path in weights.iterdir()} == model


def test_without_a_revision_it_is_the_tag_latest(
    registry: str, client: httpx.Client, repository: str, patience: Patience
) -> None:
    pushed = push(client, repository, "latest", chat_model())
    assert resolve(source(registry, repository), Task.AUTO, patience)["revision"] == pushed


def test_an_index_of_one_manifest_is_pinned_to_that(
    registry: str, client: httpx.Client, repository: str, patience: Patience
) -> None:
    pushed = push(client, repository, "one", chat_model())
    (size,) = {len(client.get(f"/v2/{repository}/manifests/{pushed}").content)}
    entry = {"mediaType": artifact([])["mediaType"], "digest": pushed, "size": size}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    by_digest = push_manifest(client, repository, "index", index)
    for revision in ("index", by_digest):
        assert resolve(source(registry, repository, revision), Task.AUTO, patience)["revision"] == pushed


@pytest.mark.parametrize(
    ("uri", "revision", "words"),
    [
        ("oci://host", None, "oci://host/repository"),
        ("oci://host/Models", None, "small letters"),
        ("oci://host/models:v1", None, "a tag or digest is the revision"),
        ("oci://host/models", "a/b", "expected a tag"),
        ("oci://host/models", "sha512:00", "expected a tag"),
    ],
)
def test_what_no_registry_can_have_is_refused_at_once(
    uri: str, revision: str | None, words: str, patience: Patience
) -> None:
    with pytest.raises(errors.InvalidArgument, match=words):
        resolve(SourceArguments(uri=uri, revision=revision), Task.AUTO, patience)


def test_a_tag_that_is_not_there_is_not_found(
    registry: str, client: httpx.Client, repository: str, patience: Patience
) -> None:
    push(client, repository, "latest", chat_model())
    with pytest.raises(errors.SourceNotFound, match="manifests/none: answered 404"):
        resolve(source(registry, repository, "none"), Task.AUTO, patience)


def test_a_container_image_is_refused_as_packed(
    registry: str, client: httpx.Client, repository: str, patience: Patience
) -> None:
    push(client, repository, "latest", chat_model())
    blob = b"layer"
    push_blob(client, repository, blob)
    packed = layer("rootfs.tar.gz", blob, mediaType="application/vnd.oci.image.layer.v1.tar+gzip")
    push_manifest(client, repository, "image", artifact([packed]))
    with pytest.raises(errors.PackedFile, match=r"tar\+gzip: expected each file as a layer of its own"):
        resolve(source(registry, repository, "image"), Task.AUTO, patience)


def test_a_password_is_asked_for_and_given(
    locked: str, client: httpx.Client, repository: str, patience: Patience, tmp_path: Path
) -> None:
    pushed = push(client, repository, "latest", chat_model())
    with pytest.raises(errors.SourceUnauthorized, match="401"):
        resolve(source(locked, repository), Task.AUTO, patience)
    found = resolve(source(locked, repository, credentials=user(tmp_path, "127.0.0.1")), Task.AUTO, patience)
    assert found["revision"] == pushed


def test_a_wrong_password_is_refused_by_the_registry(
    locked: str, client: httpx.Client, repository: str, patience: Patience, tmp_path: Path
) -> None:
    push(client, repository, "latest", chat_model())
    with pytest.raises(errors.SourceUnauthorized, match="401") as refused:
        resolve(source(locked, repository, credentials=user(tmp_path, password="other-word")), Task.AUTO, patience)
    assert "other-word" not in str(refused.value)


REFUSED_SECRETS = {
    "that does not name the registry": ({"hosts": "registry.example.com"}, errors.CredentialsRefused, "127.0.0.1"),
    "without hosts": ({}, errors.CredentialsRefused, "no key 'hosts'"),
    "without a password": ({"hosts": "127.0.0.1", "password": ""}, errors.CredentialsMissing, "'password'"),
}


@pytest.mark.parametrize(("values", "reason", "words"), REFUSED_SECRETS.values(), ids=REFUSED_SECRETS.keys())
def test_a_secret_is_refused_before_anything_is_asked(
    values: dict[str, str], reason: type[errors.ModelRuntimeError], words: str, patience: Patience, tmp_path: Path
) -> None:
    credentials = secret(tmp_path, **{"username": USER, "password": PASSWORD} | values)
    with serving(WebServer({})) as web:
        with pytest.raises(reason, match=words):
            resolve(source(web.url, "a", credentials=credentials), Task.AUTO, patience)
        assert not web.requests


def test_a_password_is_never_sent_in_clear(patience: Patience, tmp_path: Path) -> None:
    credentials = user(tmp_path, "registry.example.com")
    with pytest.raises(errors.InvalidArgument, match="is not https"):
        resolve(source("http://registry.example.com", "a", credentials=credentials), Task.AUTO, patience)


def test_everybody_gets_a_token_for_what_is_public(
    by_token: str, token_service: TokenService, client: httpx.Client, patience: Patience
) -> None:
    push(client, "public/minilm", "latest", chat_model())
    token_service.requests.clear()
    assert resolve(source(by_token, "public/minilm"), Task.AUTO, patience)["files"] == 4
    assert token_service.requests == [
        {"service": "models", "scope": "repository:public/minilm:pull", "authorization": ""}
    ]


def test_a_token_is_got_with_the_password(
    by_token: str, client: httpx.Client, repository: str, patience: Patience, tmp_path: Path
) -> None:
    pushed = push(client, repository, "latest", chat_model())
    with pytest.raises(errors.SourceUnauthorized):
        resolve(source(by_token, repository), Task.AUTO, patience)
    found = resolve(source(by_token, repository, credentials=user(tmp_path)), Task.AUTO, patience)
    assert found["revision"] == pushed


def test_a_token_service_that_the_secret_does_not_name_gets_no_password(
    by_token: str, token_service: TokenService, patience: Patience, tmp_path: Path
) -> None:
    token_service.requests.clear()
    with pytest.raises(errors.CredentialsRefused, match="may not be sent to localhost"):
        resolve(source(by_token, "any", credentials=user(tmp_path, "127.0.0.1")), Task.AUTO, patience)
    assert not token_service.requests


def test_a_token_that_ran_out_is_renewed(
    by_token: str, token_service: TokenService, client: httpx.Client, patience: Patience
) -> None:
    push(client, "public/renewed", "latest", chat_model())
    token_service.requests.clear()
    token_service.expired = 1
    assert resolve(source(by_token, "public/renewed"), Task.AUTO, patience)["files"] == 4
    assert len(token_service.requests) == 2


def test_a_token_of_the_secret_is_sent_as_it_is(patience: Patience, tmp_path: Path) -> None:
    with serving(WebServer({})) as web:
        credentials = secret(tmp_path, hosts="127.0.0.1", token="own-token")
        with pytest.raises(errors.SourceNotFound):
            resolve(source(web.url, "a", credentials=credentials), Task.AUTO, patience)
        assert web.requests[-1].authorization == "Bearer own-token"


def test_no_credential_follows_a_redirect_to_where_the_blobs_are(
    storage: Path, client: httpx.Client, repository: str, patience: Patience, tmp_path: Path
) -> None:
    pushed = push(client, repository, "latest", chat_model())
    blobs = {
        f"/{path.relative_to(storage).as_posix()}": path.read_bytes()
        for path in (storage / "docker" / "registry" / "v2" / "blobs").rglob("data")
    }
    folder = tmp_path / "redirecting"
    folder.mkdir()
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "models", "path": str(folder / "htpasswd")}}
    with serving(WebServer(blobs)) as elsewhere:
        middleware = {"storage": [{"name": "redirect", "options": {"baseurl": elsewhere.url}}]}
        with running_registry(storage, folder, auth=auth, middleware=middleware) as url:
            found = resolve(source(url, repository, credentials=user(tmp_path)), Task.AUTO, patience)
        assert found["revision"] == pushed
        assert elsewhere.requests
        assert {request.authorization for request in elsewhere.requests} == {None}


def _fake(files: dict[str, bytes], manifest: bytes, reference: str) -> WebServer:
    blobs = {f"/v2/a/blobs/{digest_of(content)}": content for content in files.values()}
    return WebServer({f"/v2/a/manifests/{reference}": manifest, **blobs})


def _manifest(files: dict[str, bytes]) -> bytes:
    return json.dumps(artifact([layer(name, content) for name, content in files.items()])).encode()


def test_the_commands_fetch_from_a_private_registry_over_tls(
    storage: Path, client: httpx.Client, authority: Authority, certificate: Path, tmp_path: Path
) -> None:
    pushed = push(client, "team/private", "latest", chat_model())
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "htpasswd").write_text(HTPASSWD)
    (folder / "egress.json").write_text('{"hosts": [["127.0.0.1"]], "cidrs": ["127.0.0.0/8"], "proxies": []}')
    auth = {"htpasswd": {"realm": "models", "path": str(folder / "htpasswd")}}
    with running_registry(storage, folder, tls=certificate, auth=auth) as url:
        source = ("--uri", f"{url.replace('https', 'oci')}/team/private", "--egress", str(folder / "egress.json"))
        source += ("--ca-bundle", str(authority.certificate), "--credentials", str(user(tmp_path, "127.0.0.1")))
        code, resolved = command.run(tmp_path, "resolve", *source)
        assert (code, resolved["revision"]) == (0, pushed), resolved
        pinned = ("--revision", pushed, "--digest", str(resolved["digest"]), "--task", "Chat", "--served-name", "tiny")
        folders = ("--weights", str(tmp_path / "weights"), "--repository", str(tmp_path / "repository"))
        code, report = command.run(tmp_path, "prepare", *source, *pinned, *folders)
        assert (code, report["files"]) == (0, 4), report
    assert (tmp_path / "weights" / "model.safetensors").read_bytes() == chat_model()["model.safetensors"]


def test_a_manifest_with_other_bytes_than_its_digest_is_refused(patience: Patience) -> None:
    manifest = _manifest(chat_model())
    pinned = digest_of(manifest)
    with (
        serving(_fake(chat_model(), manifest + b" ", pinned)) as web,
        pytest.raises(errors.DigestMismatch, match=r"manifests/sha256:.*its bytes hash to"),
    ):
        resolve(source(web.url, "a", pinned), Task.AUTO, patience)


def test_a_blob_with_other_bytes_than_its_digest_is_refused(patience: Patience) -> None:
    model = chat_model()
    with serving(_fake(model, _manifest(model), "latest")) as web:
        web.faults[f"/v2/a/blobs/{digest_of(model['tokenizer_config.json'])}"] = Fault(flip_byte=3)
        with pytest.raises(errors.DigestMismatch, match=r"tokenizer_config\.json"):
            resolve(source(web.url, "a"), Task.AUTO, patience)


def test_a_manifest_without_end_is_refused(patience: Patience) -> None:
    with (
        serving(WebServer({"/v2/a/manifests/latest": b" " * (4 << 20) + b"{}"})) as web,
        pytest.raises(errors.InvalidModel, match="a manifest of more than 4194304 bytes"),
    ):
        resolve(source(web.url, "a"), Task.AUTO, patience)


def test_what_the_egress_policy_does_not_allow_is_not_asked(
    registry: str, client: httpx.Client, repository: str, patience: Patience
) -> None:
    push(client, repository, "latest", chat_model())
    with pytest.raises(errors.EgressRefused, match=r"127\.0\.0\.1"):
        resolve(replace(source(registry, repository), egress=Egress()), Task.AUTO, patience)


def test_a_layer_is_given_by_ranges(registry: str, client: httpx.Client, repository: str) -> None:
    model = chat_model()
    push(client, repository, "latest", model)
    with open_source(source(registry, repository)) as listing:
        entry = listing.manifest.get("model.safetensors")
        assert entry is not None
        with listing.open(entry, 1000, 500) as answer:
            assert b"".join(answer.chunks) == model["model.safetensors"][1000:1500]
