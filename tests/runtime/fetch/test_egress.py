"""Attempts to fetch from where the egress policy does not lead, and from where it does; it counts who was reached."""

import argparse
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments, add_source_arguments, source_arguments
from model_runtime.errors import CredentialsRefused, EgressRefused, InvalidArgument, ModelRuntimeError
from model_runtime.fetch.egress import Egress, read_egress
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.retry import Patience
from model_runtime.resolve import resolve
from model_runtime.verify import Task
from tests.runtime.fetch.command import run
from tests.runtime.fetch.egress_attempts import AS_PROCESSES, IN_PROCESS, PUBLIC, Attempt
from tests.runtime.fetch.internet import Internet, connected
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.certificates import Authority
from tests.stack.hubserver import Hub, HubHandler
from tests.stack.proxyserver import Proxy, proxying
from tests.stack.registry import artifact, digest_of, layer
from tests.stack.webserver import Fault, WebServer, serving

_OF_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}


@dataclass(frozen=True)
class Servers:
    mirror: Hub
    inner: WebServer
    proxy: Proxy

    def fill(self, text: str) -> str:
        ports = {"mirror": self.mirror.port, "inner": self.inner.port, "proxy": self.proxy.port}
        for name, port in ports.items():
            text = text.replace(f"{{{name}}}", str(port))
        return text


@pytest.fixture
def servers() -> Iterator[Servers]:
    model = with_sums(chat_model())
    files = {
        f"{place}/{path}": content
        for place in ("/model", "/acme/cdn", "/acme/inside")
        for path, content in model.items()
    }
    layers = [layer(path, content) for path, content in model.items()]
    files["/v2/tiny/manifests/latest"] = json.dumps(artifact(layers)).encode()
    files |= {f"/v2/tiny/blobs/{digest_of(content)}": content for content in model.values()}
    with ExitStack() as stack:
        mirror = stack.enter_context(serving(Hub(files), HubHandler))
        inner = stack.enter_context(serving(WebServer(files)))
        assert isinstance(mirror, Hub)
        mirror.storage = f"http://cdn.example.com:{inner.port}"
        places = {f"models.example.com:{mirror.port}": ("127.0.0.1", mirror.port)}
        proxy = stack.enter_context(proxying(places))
        yield Servers(mirror, inner, proxy)


def arguments(attempt: Attempt, servers: Servers, folder: Path) -> list[str]:
    """Prepare the servers and the policy's file, and return the source arguments."""
    if attempt.redirect is not None:
        to = servers.fill(attempt.redirect)
        servers.mirror.faults[attempt.redirected] = Fault(redirect=to, redirect_status=attempt.status)
    if attempt.asks is not None:
        wanted = {"WWW-Authenticate": servers.fill(attempt.asks)}
        servers.mirror.faults[attempt.redirected] = Fault(status=401, headers=wanted)
    file = folder / "egress.json"
    if attempt.said is not None:
        file.write_text(servers.fill(json.dumps(attempt.said)))
    return [servers.fill(text) for text in ("--uri", attempt.uri, "--egress", str(file), *attempt.arguments)]


def environment(attempt: Attempt, servers: Servers) -> Mapping[str, str]:
    return {name: servers.fill(value) for name, value in attempt.environment.items()}


@pytest.mark.parametrize("attempt", IN_PROCESS, ids=lambda attempt: attempt.title)
def test_what_is_refused_reaches_nobody(
    attempt: Attempt, servers: Servers, patience: Patience, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(attempt, servers).items():
        monkeypatch.setenv(name, value)
    parser = argparse.ArgumentParser()
    add_source_arguments(parser)
    given = parser.parse_args(arguments(attempt, servers, tmp_path))
    with connected(Internet({**PUBLIC, **attempt.names}, silent=attempt.silent)):
        try:
            report = resolve(source_arguments(given), Task.AUTO, patience)
        except ModelRuntimeError as error:
            report = {"reason": error.reason, "message": str(error)}
    check(attempt, servers, report)


@pytest.mark.parametrize("attempt", AS_PROCESSES, ids=lambda attempt: attempt.title)
def test_a_process_that_is_refused_reaches_nobody(attempt: Attempt, servers: Servers, tmp_path: Path) -> None:
    described = json.dumps({"names": {**PUBLIC, **attempt.names}, "silent": attempt.silent})
    log = tmp_path / "log"
    command = [sys.executable, "-W", "error", "-m", "tests.runtime.fetch.internet", described, "model_runtime.resolve"]
    command += [*arguments(attempt, servers, tmp_path), "--termination-log", str(log)]
    kept = {name: value for name, value in os.environ.items() if name.upper() not in _OF_PROXIES}
    done = subprocess.run(
        command, env={**kept, **environment(attempt, servers)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert log.exists(), done.stderr
    assert done.returncode == (3 if attempt.reason else 0)
    check(attempt, servers, json.loads(log.read_text()))


def check(attempt: Attempt, servers: Servers, report: Mapping[str, object]) -> None:
    assert report.get("reason") == attempt.reason, report
    if attempt.reason is None:
        assert report["task"] == "Chat"
        return
    assert re.search(attempt.words, str(report["message"])), report
    assert servers.inner.requests == []
    assert all("models.example.com" in line for line in servers.proxy.requests)


def test_prepare_is_held_to_the_policy_too(servers: Servers, tmp_path: Path) -> None:
    pinned = ("--revision", f"sha256:{0:064x}", "--digest", f"sha256:{0:064x}")
    folders = ("--weights", str(tmp_path / "weights"), "--repository", str(tmp_path / "repository"))
    source = ("--uri", f"{servers.inner.url}/model", "--egress", str(tmp_path / "egress.json"))
    code, report = run(tmp_path, "prepare", *source, *pinned, *folders, "--task", "Chat", "--served-name", "m")
    assert (code, report["reason"]) == (3, "EgressRefused")
    assert servers.inner.requests == []


def test_who_runs_a_command_by_hand_is_held_to_nothing(servers: Servers, tmp_path: Path) -> None:
    code, report = run(tmp_path, "resolve", "--uri", f"{servers.inner.url}/model")
    assert (code, report["task"]) == (0, "Chat")


WRONG_FILES = {
    "no JSON": ("{", "expected JSON"),
    "a list": ("[]", "an object with exactly cidrs, hosts, proxies"),
    "a field too few": ('{"hosts": [], "cidrs": null}', "exactly cidrs, hosts, proxies"),
    "a rule that is not known here": (
        '{"hosts": [], "cidrs": null, "proxies": [], "ports": [443]}',
        "exactly cidrs, hosts, proxies",
    ),
    "one list of hosts": (
        '{"hosts": ["a.example"], "cidrs": null, "proxies": []}',
        "hosts: 'a.example': expected a list",
    ),
    "a URL for a host": (
        '{"hosts": [["https://a.example"]], "cidrs": null, "proxies": []}',
        "hosts: 'https://a.example': expected a host",
    ),
    "an address for a network": (
        '{"hosts": [], "cidrs": ["10.1.2.3/8"], "proxies": []}',
        "cidrs: 10.1.2.3/8 has host bits",
    ),
    "a proxy without a scheme": (
        '{"hosts": [], "cidrs": null, "proxies": ["proxy:3128"]}',
        "proxies: expected http://",
    ),
}


@pytest.mark.parametrize(("text", "words"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_policy_that_cannot_be_read_opens_nothing(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "egress.json"
    file.write_text(text)
    with pytest.raises(InvalidArgument, match=words) as refused:
        read_egress(file, {})
    assert str(file) in str(refused.value)


HOME, AWAY = "s3.us-east-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"
LIST = "/models?list-type=2&prefix=m%2F&encoding-type=url"


@pytest.fixture
def bucket(authority: Authority) -> Iterator[WebServer]:
    """AWS's S3 in both regions, whose bucket is in the other one than it is asked for in."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.issue("s3", f"DNS:{HOME}", f"DNS:{AWAY}"))
    moved = Fault(status=301, headers={"x-amz-bucket-region": "eu-west-1"})
    with serving(WebServer({}, {LIST: moved}), tls=tls) as server:
        yield server


@pytest.mark.parametrize(
    ("egress", "hosts", "error", "asked"),
    [
        (Egress(host_lists=((HOME,),)), AWAY, CredentialsRefused, []),
        (Egress(host_lists=((HOME,),)), HOME, EgressRefused, ["93.184.216.40"]),
        (Egress(host_lists=((HOME, AWAY),)), HOME, CredentialsRefused, ["93.184.216.40"]),
    ],
    ids=["not named at first", "not on the list where it leads", "not named where it leads"],
)
def test_a_bucket_that_leads_to_another_region_is_followed_by_the_rules(
    *,
    egress: Egress,
    hosts: str,
    error: type[ModelRuntimeError],
    asked: list[str],
    bucket: WebServer,
    authority: Authority,
    tmp_path: Path,
) -> None:
    for key, value in {"accessKeyId": "id", "secretAccessKey": "key", "hosts": hosts}.items():
        (tmp_path / key).write_text(value)
    source = SourceArguments(uri="s3://models/m", ca_bundle=authority.certificate, credentials=tmp_path, egress=egress)
    names = {HOME: [["93.184.216.40"]], AWAY: [["93.184.216.41"]]}
    with (
        connected(Internet(names, ports={"443": bucket.port})) as internet,
        pytest.raises(error, match=AWAY if asked else HOME),
        open_source(source),
    ):
        pass
    assert internet.reached == asked
