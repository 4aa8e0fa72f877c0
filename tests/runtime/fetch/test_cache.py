"""A model goes through the cache: fetched once, verified at each use, and never missing because of the cache."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model_runtime import prepare, resolve
from model_runtime.fetch import cache_folder as folder_module
from model_runtime.fetch.cache_folder import open_cache
from model_runtime.fetch.cache_lock import Mode, try_lock
from tests.runtime.fetch.tiny import chat_model, tensor_bytes, with_sums
from tests.runtime.test_prepare import contents
from tests.stack.webserver import Fault, WebServer, serving

WEIGHTS = "model.safetensors"
CONTENT = chat_model()[WEIGHTS]
BLOB = f"blobs/sha256/{hashlib.sha256(CONTENT).hexdigest()}"
SIZE = sum(map(len, chat_model().values()))


@dataclass
class Pods:
    """Pods that are started one after the other, each with a volume of its own, and the cache they share."""

    web: WebServer
    tmp_path: Path
    out: Callable[[], str]
    count: int = 0
    said: str = ""
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.tmp_path / "cache"

    def start(self, *arguments: str, model: str = "model") -> int:
        """Run `prepare` in a new pod; what it wrote is in `said`."""
        self.count += 1
        pod = self.tmp_path / f"pod-{self.count}"
        pod.mkdir()
        digest = self.digests.get(model) or self.digests.setdefault(model, self._resolve(model))
        command = ["--uri", f"{self.web.url}/{model}", "--revision", digest, "--digest", digest, "--task", "Chat"]
        command += ["--served-name", "tiny", "--weights", f"{pod}/weights", "--repository", f"{pod}/repository"]
        self.web.requests.clear()
        self.out()
        code = prepare.main([*command, "--cache", f"{self.cache}", "--termination-log", f"{pod}/log", *arguments])
        self.said = self.out()
        if code == 0:
            assert contents(pod / "weights") == self.files(model)
        return code

    def files(self, model: str = "model") -> dict[str, bytes]:
        """Return the model's files at the source."""
        found = {path.removeprefix(f"/{model}/"): content for path, content in self.web.files.items()}
        return {path: bytes(content) for path, content in found.items() if path in chat_model()}

    def add(self, model: str, seed: int) -> None:
        """Publish a model that has other weights and is like the first otherwise."""
        weights = CONTENT[:-1000] + tensor_bytes(seed, 1000)
        files = with_sums(chat_model() | {WEIGHTS: weights})
        self.web.files = {**self.web.files, **{f"/{model}/{path}": content for path, content in files.items()}}

    def _resolve(self, model: str) -> str:
        log = self.tmp_path / "resolved"
        assert resolve.main(["--uri", f"{self.web.url}/{model}", "--termination-log", str(log)]) == 0
        return str(prepare.termination.json.loads(log.read_text())["digest"])

    def asked(self) -> int:
        """Return how many requests the last pod made."""
        return len(self.web.requests)

    def held(self) -> set[str]:
        """Return the models that are whole in the cache."""
        with open_cache(self.cache) as folder:
            names = {model.name for model in folder.models() if folder.is_whole(model.name)}
        return {model for model, digest in self.digests.items() if digest.removeprefix("sha256:") in names}

    def size(self) -> int:
        """Return the bytes of all blobs."""
        return sum(path.stat().st_size for path in (self.cache / "blobs").rglob("*") if path.is_file())


@pytest.fixture
def pods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Pods]:
    (tmp_path / "cache").mkdir()
    files = {f"/model/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(WebServer(files)) as web:
        yield Pods(web, tmp_path, lambda: capsys.readouterr().out)


def test_the_second_pod_asks_the_source_for_nothing(pods: Pods) -> None:
    assert pods.start() == 0
    assert "cache: keeps the model" in pods.said
    assert pods.start() == 0
    assert pods.asked() == 0
    assert "cache: the model is whole in it" in pods.said
    assert "fetched 0.5 of 0.5 MB" in pods.said


def test_the_cache_holds_files_by_digest_and_the_manifest_by_its_own(pods: Pods) -> None:
    pods.start()
    digests = {hashlib.sha256(content).hexdigest() for content in chat_model().values()}
    assert {path.name for path in (pods.cache / "blobs" / "sha256").iterdir()} == digests
    (manifest,) = (pods.cache / "manifests").iterdir()
    assert f"sha256:{manifest.name}" == pods.digests["model"]
    assert hashlib.sha256(manifest.read_bytes()).hexdigest() == manifest.name
    assert not list((pods.cache / "tmp").iterdir())


def test_a_flipped_byte_is_noticed_and_that_file_alone_fetched_again(pods: Pods) -> None:
    pods.start()
    blob = pods.cache / BLOB
    blob.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert pods.start() == 0
    assert f"cache: {WEIGHTS} was damaged and is dropped" in pods.said
    fetched = [request.path for request in pods.web.requests if request.method == "GET"]
    assert fetched == ["/model/SHA256SUMS", f"/model/{WEIGHTS}"]
    assert blob.read_bytes() == CONTENT
    assert pods.start() == 0
    assert pods.asked() == 0


DAMAGES: list[tuple[str, Callable[[Path], object]]] = [
    ("cut short", lambda blob: os.truncate(blob, 1000)),
    ("longer", lambda blob: blob.write_bytes(CONTENT + b"x")),
    ("gone", Path.unlink),
    ("a link to the right bytes", lambda blob: _replace(blob, lambda: blob.symlink_to(_copied(blob)))),
    ("a pipe", lambda blob: _replace(blob, lambda: os.mkfifo(blob))),
]


def _replace(blob: Path, make: Callable[[], object]) -> None:
    _copied(blob).write_bytes(CONTENT)
    blob.unlink()
    make()


def _copied(blob: Path) -> Path:
    return blob.parents[3] / "elsewhere"


@pytest.mark.parametrize(("sentence", "damage"), DAMAGES, ids=[case[0] for case in DAMAGES])
def test_a_blob_that_is_not_a_file_of_the_right_size_is_replaced(
    sentence: str, damage: Callable[[Path], object], pods: Pods
) -> None:
    pods.start()
    damage(pods.cache / BLOB)
    assert pods.start() == 0
    assert f"/model/{WEIGHTS}" in {request.path for request in pods.web.requests}
    assert not (pods.cache / BLOB).is_symlink()
    assert (pods.cache / BLOB).read_bytes() == CONTENT
    assert pods.start() == 0
    assert pods.asked() == 0


def test_a_cache_that_somebody_spoils_again_and_again_fails_nothing(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods.start()
    (pods.cache / BLOB).write_bytes(bytes(len(CONTENT)))
    monkeypatch.setattr(folder_module.CacheFolder, "drop", lambda *_: None)
    assert pods.start() == 0
    assert "cache: not used: it is damaged again and again" in pods.said


def test_a_source_that_is_down_costs_nothing_of_what_the_cache_has(pods: Pods) -> None:
    pods.start()
    (pods.cache / BLOB).unlink()
    pods.web.faults[f"/model/{WEIGHTS}"] = Fault(status=404)
    assert pods.start() == 3
    pods.web.faults.clear()
    assert pods.start() == 0
    assert [request.path for request in pods.web.requests if request.method == "GET"][1:] == [f"/model/{WEIGHTS}"]


def test_two_models_share_the_files_they_have_in_common(pods: Pods) -> None:
    pods.add("other", 1)
    pods.start()
    pods.start(model="other")
    asked = {request.path for request in pods.web.requests if request.method == "GET"}
    assert asked == {"/other/SHA256SUMS", f"/other/{WEIGHTS}"}
    assert pods.size() == SIZE + len(CONTENT)


def test_the_least_recently_used_model_goes_and_the_bound_holds(pods: Pods) -> None:
    bound = SIZE + len(CONTENT)
    for number, model in enumerate(("model", "other")):
        if model == "other":
            pods.add(model, 1)
        assert pods.start("--cache-bytes", str(bound), model=model) == 0
        _age(pods, model, number)
    assert pods.start("--cache-bytes", str(bound)) == 0
    pods.add("third", 2)
    assert pods.start("--cache-bytes", str(bound), model="third") == 0
    assert f"cache: {pods.digests['other']} goes" in pods.said
    assert pods.held() == {"model", "third"}
    assert pods.size() == bound


def _age(pods: Pods, model: str, seconds: int) -> None:
    os.utime(pods.cache / "manifests" / pods.digests[model].removeprefix("sha256:"), (seconds, seconds))


def test_a_model_in_use_stays_and_what_does_not_fit_beside_it_is_fetched_without_the_cache(pods: Pods) -> None:
    pods.start()
    pods.add("other", 1)
    name = pods.digests["model"].removeprefix("sha256:")
    with open_cache(pods.cache) as folder:
        held = try_lock(folder.locks, name, Mode.SHARED)
        assert held is not None
        with held:
            assert pods.start("--cache-bytes", str(SIZE + 1), model="other") == 0
    assert f"do not fit below its bound of {SIZE + 1} bytes" in pods.said
    assert pods.held() == {"model"}


def test_a_model_larger_than_the_bound_is_fetched_without_the_cache(pods: Pods) -> None:
    assert pods.start("--cache-bytes", str(SIZE - 1)) == 0
    assert "cache: not used" in pods.said
    assert pods.size() == 0


def test_a_bound_that_was_lowered_holds_after_the_next_run(pods: Pods) -> None:
    pods.start()
    pods.add("other", 1)
    pods.start(model="other")
    assert pods.start("--cache-bytes", str(SIZE)) == 0
    assert pods.asked() == 0
    assert pods.size() == SIZE
    assert pods.held() == {"model"}


def test_what_killed_writers_left_goes_and_what_is_not_ours_stays(pods: Pods) -> None:
    pods.start()
    (pods.cache / "tmp" / ("a" * 64)).write_bytes(b"half")
    (pods.cache / "blobs" / "sha256" / ("b" * 64)).write_bytes(b"of no model")
    (pods.cache / "manifests" / ("c" * 64)).write_bytes(b"no manifest")
    foreign = [pods.cache / "theirs.txt", pods.cache / "blobs" / "sha256" / "theirs.txt"]
    for path in foreign:
        path.write_text("theirs")
    secret = pods.tmp_path / "secret"
    secret.write_text("secret")
    (pods.cache / "blobs" / "git-sha1" / ("d" * 40)).symlink_to(secret)
    assert pods.start() == 0
    assert pods.asked() == 0
    assert not list((pods.cache / "tmp").iterdir())
    assert {path.name for path in (pods.cache / "manifests").iterdir()} == {pods.digests["model"][7:]}
    assert {path.name for path in (pods.cache / "locks").iterdir()} == {pods.digests["model"][7:]}
    assert not list((pods.cache / "blobs" / "git-sha1").iterdir())
    assert (pods.size(), secret.read_text()) == (SIZE + len("theirs"), "secret")
    assert all(path.read_text() == "theirs" for path in foreign)


UNUSABLE: list[tuple[str, Callable[[Path], object]]] = [
    ("not there", lambda cache: cache.rmdir()),
    ("a file", lambda cache: (cache.rmdir(), cache.write_text("x"))),
    ("a folder of it is a link", lambda cache: (cache / "blobs").symlink_to(cache.parent)),
    ("a folder of it is a file", lambda cache: (cache / "locks").write_text("x")),
]


@pytest.mark.parametrize(("sentence", "spoil"), UNUSABLE, ids=[case[0] for case in UNUSABLE])
def test_a_cache_that_cannot_be_used_fails_nothing(sentence: str, spoil: Callable[[Path], object], pods: Pods) -> None:
    spoil(pods.cache)
    assert pods.start() == 0
    assert "cache: not used: " in pods.said


def test_a_volume_that_fills_up_fails_nothing_and_nothing_half_written_stays(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.os, "sendfile", full)
    assert pods.start() == 0
    assert "cache: the model is not kept in it: [Errno 28] No space left on device" in pods.said
    assert not list((pods.cache / "tmp").iterdir())
    assert pods.held() == set()
    monkeypatch.undo()
    assert pods.start() == 0
    assert pods.start() == 0
    assert pods.asked() == 0


def test_a_volume_without_locks_fails_nothing(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("model_runtime.fetch.cache_lock.fcntl.flock", refuse)
    assert pods.start() == 0
    assert "cache: not used: [Errno 37] No locks available" in pods.said


def test_a_volume_without_room_is_not_filled_to_the_last_byte(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module.CacheFolder, "free_bytes", lambda _: SIZE)
    assert pods.start() == 0
    assert "cache: not used: " in pods.said
    assert pods.size() == 0


def test_a_container_that_was_restarted_copies_nothing_twice(pods: Pods) -> None:
    pods.start()
    before = (pods.tmp_path / "pod-1" / "weights" / WEIGHTS).stat().st_ino
    digest = pods.digests["model"]
    pod = pods.tmp_path / "pod-1"
    command = ["--uri", f"{pods.web.url}/model", "--revision", digest, "--digest", digest, "--task", "Chat"]
    command += ["--served-name", "tiny", "--weights", f"{pod}/weights", "--repository", f"{pod}/repository"]
    assert prepare.main([*command, "--cache", f"{pods.cache}", "--termination-log", f"{pod}/log"]) == 0
    assert (pod / "weights" / WEIGHTS).stat().st_ino == before
