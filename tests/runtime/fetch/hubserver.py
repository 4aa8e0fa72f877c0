"""A hub on loopback: the two calls of the Hugging Face Hub's API that fetching needs, answered as the hub answers them.

`GET /api/models/<repo>/revision/<revision>?blobs=true` lists commit and files; `/<repo>/resolve/<commit>/<path>` gives
a small file, or redirects a large (LFS) one to another origin, as the hub does to its storage.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.runtime.fetch.webserver import Handler, WebServer

COMMIT = "5f0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3"
LFS_SUFFIX = ".safetensors"


@dataclass
class Hub(WebServer):
    """One repository, `acme/tiny`; `token` is what it wants, `gated` is what it says to a token it knows."""

    repository: str = "acme/tiny"
    token: str | None = None
    gated: bool = False
    revisions: Mapping[str, str] = field(default_factory=lambda: {"main": COMMIT, "v1": COMMIT, COMMIT: COMMIT})

    def contents(self) -> dict[str, bytes]:
        return {path.removeprefix("/"): content for path, content in self.files.items()}


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sibling(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
    if path.endswith(LFS_SUFFIX):
        entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


class HubHandler(Handler):
    web: Hub

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        path = urlsplit(self.path).path
        if path.startswith("/api/models/"):
            self._record()
            self._list(path.removeprefix("/api/models/"))
        elif path.startswith(f"/{self.web.repository}/resolve/"):
            self._resolve(path)
        else:
            super().do_GET()

    def _list(self, path: str) -> None:
        repository, _, revision = path.partition("/revision/")
        if self._refused():
            return
        if repository != self.web.repository:
            self._error(401 if self.web.token is None else 404, "RepoNotFound")
        elif revision and revision not in self.web.revisions:
            self._error(404, "RevisionNotFound")
        else:
            files = [sibling(name, content) for name, content in self.web.contents().items()]
            commit = self.web.revisions[revision or "main"]
            body = json.dumps({"id": repository, "sha": commit, "siblings": files}).encode()
            self._answer(200, body, {"Content-Length": str(len(body)), "Content-Type": "application/json"})

    def _resolve(self, path: str) -> None:
        commit, _, name = path.removeprefix(f"/{self.web.repository}/resolve/").partition("/")
        if commit != COMMIT:
            self._error(404, "RevisionNotFound")
        elif name.endswith(LFS_SUFFIX):
            self._record()
            self._answer(302, b"", {"Location": f"http://localhost:{self.web.port}/{name}", "Content-Length": "0"})
        else:
            self.path = f"/{name}"
            super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802
        self._error(404, "EntryNotFound")

    def _refused(self) -> bool:
        if self.web.token and self.headers.get("Authorization") != f"Bearer {self.web.token}":
            self._error(401, "RepoNotFound")
            return True
        if self.web.gated:
            self._error(403, "GatedRepo")
            return True
        return False

    def _error(self, status: int, code: str) -> None:
        self._answer(status, b"", {"X-Error-Code": code, "Content-Length": "0"})
