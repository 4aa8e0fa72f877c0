"""A stand-in for a hub: the two calls of the Hugging Face Hub's API that fetching needs, answered as the hub does.

`GET /api/models/<repo>/revision/<revision>?blobs=true` lists commit and files; `/<repo>/resolve/<commit>/<path>` gives
a small file, or redirects a large (LFS) one to the hub's storage. Any other path is a file, as on a web server.
In tests it runs on loopback; in the cluster as `python3 -m tests.stack.hubserver` (tests/stack/hub.py).
"""

import argparse
import contextlib
import hashlib
import json
import mmap
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.stack.webserver import Content, Fault, Handler, WebServer, secured

COMMIT = "5f0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3"
LFS_SUFFIX = ".safetensors"


@dataclass
class Hub(WebServer):
    """A hub whose repositories are `organization/name` with their files under `/organization/name/`.

    `token` is what repositories below the prefix `private` want; `gated` is what the hub says to a token that it knows.
    `storage` is where large files are; by default this server, under another name.
    """

    token: str | None = None
    private: str = ""
    gated: bool = False
    storage: str | None = None
    revisions: Mapping[str, str] = field(default_factory=lambda: {"main": COMMIT, "v1": COMMIT, COMMIT: COMMIT})

    def contents(self, repository: str) -> dict[str, Content]:
        """Return the files of a repository by path; none when there is no such repository."""
        prefix = f"/{repository}/"
        return {path.removeprefix(prefix): self.files[path] for path in self.files if path.startswith(prefix)}


def git_sha1(content: Content) -> str:
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def sibling(path: str, content: Content) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
    if path.endswith(LFS_SUFFIX):
        entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


class HubHandler(Handler):
    web: Hub

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        path = urlsplit(self.path).path
        repository, found, rest = path.removeprefix("/").partition("/resolve/")
        if path.startswith("/api/models/"):
            self._record()
            self._list(path.removeprefix("/api/models/"))
        elif found:
            self._resolve(repository, *rest.split("/", 1))
        else:
            super().do_GET()

    def _list(self, path: str) -> None:
        repository, _, revision = path.partition("/revision/")
        if self._refused(repository):
            return
        contents = self.web.contents(repository)
        if status := self.web.take_fault(f"/api/models/{repository}").status:
            self._error(status, "")
        elif not contents:
            self._error(401 if self.web.token is None else 404, "RepoNotFound")
        elif revision and revision not in self.web.revisions:
            self._error(404, "RevisionNotFound")
        else:
            files = [sibling(name, content) for name, content in contents.items()]
            commit = self.web.revisions[revision or "main"]
            body = json.dumps({"id": repository, "sha": commit, "siblings": files}).encode()
            self._answer(200, body, {"Content-Length": str(len(body)), "Content-Type": "application/json"})

    def _resolve(self, repository: str, commit: str, name: str) -> None:
        if self._refused(repository):
            return
        if commit != COMMIT:
            self._error(404, "RevisionNotFound")
        elif name.endswith(LFS_SUFFIX):
            self._record()
            storage = self.web.storage or f"http://localhost:{self.web.port}"
            self._answer(302, b"", {"Location": f"{storage}/{repository}/{name}", "Content-Length": "0"})
        else:
            self.path = f"/{repository}/{name}"
            super().do_GET()

    def _refused(self, repository: str) -> bool:
        wanted = self.web.token is not None and repository.startswith(self.web.private)
        if wanted and self.headers.get("Authorization") != f"Bearer {self.web.token}":
            self._error(401, "RepoNotFound")
            return True
        if self.web.gated:
            self._error(403, "GatedRepo")
            return True
        return False

    def _error(self, status: int, code: str) -> None:
        self._answer(status, b"", {"X-Error-Code": code, "Content-Length": "0"})


@dataclass(frozen=True, slots=True)
class Folder(Mapping[str, Content]):
    """The files below a folder: `/path` → content, mapped into memory only while it is read."""

    root: Path

    def __getitem__(self, path: str) -> Content:
        file = self.root / path.removeprefix("/")
        if not file.is_file():
            raise KeyError(path)
        with file.open("rb") as opened:
            return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if file.stat().st_size else b""

    def __iter__(self) -> Iterator[str]:
        # Not Path.rglob: a repository may be a link to another.
        for folder, _, names in os.walk(self.root, followlinks=True):
            for name in names:
                yield f"/{(Path(folder) / name).relative_to(self.root).as_posix()}"

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass
class SpoiltHub(Hub):
    """A hub whose faults are read anew each time: from the JSON files of a folder, `{path: fields of Fault}`.

    Whoever writes a file there spoils paths, and mends them by removing it.
    """

    spoilt: Path = Path()

    def take_fault(self, path: str) -> Fault:
        """Return the fault of the path, as its file has it now."""
        for file in self.spoilt.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                if fields := json.loads(file.read_text()).get(path):
                    return Fault(**fields)
        return super().take_fault(path)


def main() -> None:
    """Serve a folder of repositories over TLS; the token is in the environment variable HUB_TOKEN."""
    parser = argparse.ArgumentParser(prog="tests.stack.hubserver")
    for flag in ("--folder", "--certificate", "--faults"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--url", required=True, help="how clients reach it")
    parser.add_argument("--private", required=True, help="prefix of the repositories that want the token")
    parser.add_argument("--redirect", required=True, help="PATH=URL: a file that is elsewhere")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate)
    path, _, url = options.redirect.partition("=")
    hub = SpoiltHub(
        Folder(options.folder),
        {path: Fault(redirect=url)},
        token=os.environ["HUB_TOKEN"],
        private=options.private,
        storage=options.url,
        spoilt=options.faults,
    )
    handler = type("BoundHandler", (HubHandler,), {"web": hub})
    with ThreadingHTTPServer(("", options.port), handler) as server:
        secured(server, tls).serve_forever()


if __name__ == "__main__":
    main()
