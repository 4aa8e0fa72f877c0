"""What tests/runtime/fetch/test_egress.py tries: ways to lead a fetch where it may not go, and ways that are right.

In the strings `{mirror}`, `{inner}` and `{proxy}` stand for the ports of three servers: a mirror at a public address, a
server inside that nobody may reach unless a policy says so, and a proxy. Each holds the same model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.runtime.fetch.tiny import chat_model
from tests.stack.registry import digest_of

MIRROR = "http://models.example.com:{mirror}/model"
HUB = ("--endpoint", "http://models.example.com:{mirror}")
PUBLIC = {
    "models.example.com": [["93.184.216.34"]],
    "cdn.example.com": [["93.184.216.35"]],
    "other.example.net": [["93.184.216.36"]],
}
# Through the proxy of the platform, which is inside the cluster.
BY_PROXY = {"HTTP_PROXY": "http://10.9.9.9:{proxy}"}
PROXIES = ["http://10.9.9.9:{proxy}"]


def policy(
    *hosts: Sequence[str], cidrs: Sequence[str] | None = None, proxies: Sequence[str] = ()
) -> Mapping[str, object]:
    """Return the content of an egress file."""
    return {"hosts": hosts, "cidrs": cidrs, "proxies": proxies}


@dataclass(frozen=True)
class Attempt:
    """One fetch. `reason` is what it must end with, None where it must succeed; without `said` there is no policy.

    `redirect` is where the mirror leads on with this status when `redirected` is asked for; with `asks` it wants a
    login there. Nobody answers at addresses that are `silent`.
    """

    title: str
    uri: str = MIRROR
    reason: str | None = "EgressRefused"
    words: str = ""
    said: Mapping[str, object] | None = None
    names: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    redirect: str | None = None
    redirected: str = "/model/SHA256SUMS"
    status: int = 302
    asks: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    silent: Sequence[str] = ()


def _at(title: str, host: str, words: str, said: Mapping[str, object] | None = None) -> Attempt:
    return Attempt(title, f"http://{host}:{{inner}}/model", words=words, said=said)


def _redirected(title: str, to: str, words: str, status: int = 302, **more: object) -> Attempt:
    return Attempt(title, redirect=to, status=status, words=words, **more)  # type: ignore[arg-type]


def _by_proxy(title: str, host: str, words: str, *hosts: Sequence[str]) -> Attempt:
    said = policy(*hosts, proxies=PROXIES)
    uri = f"http://{host}:{{inner}}/model"
    return Attempt(f"through a proxy, {title}", uri, words=words, said=said, environment=BY_PROXY)


def _named(title: str, host: str, address: str, words: str, said: Mapping[str, object] | None = None) -> Attempt:
    return Attempt(title, f"http://{host}:{{inner}}/model", words=words, said=said, names={host: [[address]]})


_MACHINE = "127.0.0.1, an address of this machine"
DIRECT = [
    _at("loopback by name", "localhost", _MACHINE),
    _at("loopback by IPv4", "127.0.0.1", _MACHINE),
    _at("another loopback address", "127.8.7.6", "an address of this machine"),
    _at("loopback as one decimal number", "2130706433", _MACHINE),
    _at("loopback as one hexadecimal number", "0x7f000001", _MACHINE),
    _at("loopback in octal", "0177.1", _MACHINE),
    _at("loopback in dotted octal", "0177.0.0.1", _MACHINE),
    _at("loopback in short", "127.1", _MACHINE),
    _at("loopback by IPv6", "[::1]", "::1, an address of this machine"),
    _at("loopback mapped into IPv6", "[::ffff:127.0.0.1]", "stands for 127.0.0.1"),
    _at("loopback mapped into IPv6, in hexadecimal", "[::ffff:7f00:1]", "stands for 127.0.0.1"),
    _at("loopback in the old compatible form", "[::7f00:1]", "stands for 127.0.0.1"),
    _at("loopback translated by NAT64", "[64:ff9b::7f00:1]", "stands for 127.0.0.1"),
    _at("a private address behind 6to4", "[2002:a01:203::1]", "stands for 10.1.2.3"),
    _at("a private address behind Teredo", "[2001:0:5db8:d822::f5fe:fdfc]", "stands for 10.1.2.3"),
    _at("the address that means any", "0.0.0.0", "an address of this machine"),
    _at("the address that means any, by IPv6", "[::]", "an address of this machine"),
    _at("a link-local address", "169.254.7.7", "a link-local address"),
    _at("a link-local address by IPv6", "[fe80::1]", "a link-local address"),
    _at("the metadata address", "169.254.169.254", "a cloud's metadata address"),
    _at("the metadata address as a number", "2852039166", "a cloud's metadata address"),
    _at("the metadata address by IPv6", "[fd00:ec2::254]", "a cloud's metadata address"),
    _at("a metadata address in public space", "168.63.129.16", "a cloud's metadata address"),
    _at("a private address 10.0.0.0/8", "10.1.2.3", "a private address"),
    _at("a private address 172.16.0.0/12", "172.31.255.254", "a private address"),
    _at("a private address 192.168.0.0/16", "192.168.1.1", "a private address"),
    _at("a private address by IPv6", "[fd12::1]", "a private address"),
    _at("a site-local address", "[fec0::1]", "a private address"),
    _at("a shared address of providers", "100.64.0.9", "between a provider and its customers"),
    _at("a Service of the cluster", "198.18.4.4", "an address for benchmarks"),
    _at("multicast", "224.0.0.1", "a multicast address"),
    Attempt(
        "the API server at a public address",
        "http://20.30.40.50:{inner}/model",
        words="20.30.40.50, the address of the cluster's API server",
        environment={"KUBERNETES_SERVICE_HOST": "20.30.40.50"},
    ),
    Attempt(
        "the API server in a network that is allowed",
        "http://10.96.0.1:{inner}/model",
        words="the cluster's API server",
        said=policy(cidrs=["10.0.0.0/8"]),
        environment={"KUBERNETES_SERVICE_HOST": "10.96.0.1"},
    ),
]
NAMES = [
    _named("a name of the cluster", "hub.team.svc", "10.1.2.3", "hub.team.svc is at 10.1.2.3"),
    _named(
        "the metadata service by name",
        "metadata.google.internal",
        "169.254.169.254",
        "metadata.google.internal is at 169.254.169.254",
    ),
    _named(
        "a public name at a private address",
        "inner.example.com",
        "10.1.2.3",
        "inner.example.com is at 10.1.2.3, a private address",
    ),
    Attempt(
        "a name with a bad address before a good one",
        "http://both.example.com:{inner}/model",
        words="both.example.com is at 10.1.2.3",
        names={"both.example.com": [["10.1.2.3", "93.184.216.34"]]},
    ),
    Attempt(
        "a name with a good address, which is silent, before a bad one",
        "http://both.example.com:{inner}/model",
        words="both.example.com is at fd12::1",
        names={"both.example.com": [["93.184.216.34", "fd12::1"]]},
        silent=["93.184.216.34"],
    ),
    Attempt(
        "a name that leads inside at its second lookup",
        "http://turning.example.com:{mirror}/model",
        words="turning.example.com is at 127.0.0.1",
        names={"turning.example.com": [["93.184.216.34"], ["127.0.0.1"]]},
    ),
    _named(
        "a host on the list at a private address",
        "models.corp",
        "10.1.2.3",
        "10.1.2.3, a private address",
        policy(["models.corp"]),
    ),
]
NAMES += [
    Attempt(
        "the API server by name",
        "http://api.example.com:{inner}/model",
        words="api.example.com is the cluster's API server",
        names={"api.example.com": [["93.184.216.34"]]},
        environment={"KUBERNETES_SERVICE_HOST": "api.example.com"},
    ),
    _named(
        "another port at the host of the platform's proxy",
        "proxy.team.svc",
        "10.9.9.9",
        "proxy.team.svc is at 10.9.9.9",
        policy(proxies=["http://proxy.team.svc:{proxy}"]),
    ),
]
_LISTED = policy(["models.example.com"])
LISTS = [
    Attempt(
        "a host that is not on the list",
        "http://other.example.net:{inner}/model",
        words="other.example.net is not allowed: allowedHosts",
        said=_LISTED,
    ),
    Attempt(
        "a host on one of two lists",
        words="other.example.net; that policy",
        said=policy(["models.example.com"], ["other.example.net"]),
    ),
    Attempt("a list without hosts", words="nothing; that policy", said=policy([])),
    _named(
        "the host above a wildcard",
        "example.com",
        "93.184.216.34",
        "example.com is not allowed",
        policy(["*.example.com"]),
    ),
    _named(
        "a host that only ends like the wildcard",
        "evil-example.com",
        "93.184.216.34",
        "evil-example.com is not allowed",
        policy(["*.example.com"]),
    ),
    _named(
        "a host that begins like one on the list",
        "models.example.com.other.example.net",
        "93.184.216.34",
        "is not allowed",
        _LISTED,
    ),
    Attempt(
        "a host with a letter that looks alike",
        "http://modеls.example.com:{inner}/model",
        words="xn--.*is not allowed",
        said=_LISTED,
    ),
    Attempt(
        "an address where hosts are listed",
        "http://93.184.216.34:{inner}/model",
        words="93.184.216.34 is not allowed",
        said=_LISTED,
    ),
    Attempt(
        "a user that looks like a host",
        "http://models.example.com@127.0.0.1:{inner}/model",
        reason="InvalidArgument",
        words="no user",
        said=_LISTED,
    ),
    Attempt(
        "an endpoint of the environment for a bucket",
        "s3://models/model",
        words="other.example.net is not allowed",
        said=_LISTED,
        environment={"AWS_ENDPOINT_URL": "http://other.example.net:{inner}"},
    ),
    Attempt(
        "a bucket at its own host",
        "s3://models/model",
        words=r"s3\.eu-west-1\.amazonaws\.com is not allowed",
        said=_LISTED,
        arguments=("--region", "eu-west-1"),
    ),
]
REDIRECTS = [
    _redirected("a redirect to loopback (301)", "http://127.0.0.1:{inner}/model/SHA256SUMS", _MACHINE, 301),
    _redirected("a redirect to loopback (302)", "http://localhost:{inner}/model/SHA256SUMS", "localhost is at", 302),
    _redirected("a redirect to the metadata service (303)", "http://169.254.169.254:{inner}/x", "metadata", 303),
    _redirected("a redirect to a private address (307)", "http://10.1.2.3:{inner}/model/SHA256SUMS", "private", 307),
    _redirected("a redirect to a mapped address (308)", "http://[::ffff:a01:203]:{inner}/x", "10.1.2.3", 308),
    _redirected("a redirect without a scheme", "//127.0.0.1:{inner}/model/SHA256SUMS", _MACHINE),
    _redirected("a redirect with a user like the host", "http://models.example.com@127.1:{inner}/x", _MACHINE),
    _redirected(
        "a redirect to a host that is not on the list",
        "http://other.example.net:{inner}/model/SHA256SUMS",
        "other.example.net is not allowed",
        said=_LISTED,
    ),
    _redirected(
        "a redirect to a file",
        "file:///etc/passwd",
        "expected an http or https URL",
        reason="SourceUnreachable",
    ),
    Attempt(
        "a hub that leads to storage on a host that is not on the list",
        "hf://acme/cdn",
        words="cdn.example.com is not allowed",
        said=_LISTED,
        arguments=HUB,
    ),
    Attempt(
        "a hub that leads to storage inside",
        "hf://acme/inside",
        words="cdn.example.com is at 10.1.2.3",
        names={"cdn.example.com": [["10.1.2.3"]]},
        arguments=HUB,
    ),
    Attempt("a hub inside", "hf://acme/cdn", words=_MACHINE, arguments=("--endpoint", "http://127.0.0.1:{inner}")),
    Attempt("a bucket inside", "s3://models/m", words=_MACHINE, arguments=("--endpoint", "http://127.0.0.1:{inner}")),
    Attempt(
        "a bucket that leads elsewhere",
        "s3://models/m",
        reason="SourceUnreachable",
        words="307",
        arguments=HUB,
        redirect="http://127.0.0.1:{inner}/models",
        redirected="/models?list-type=2&prefix=m%2F&encoding-type=url",
        status=307,
    ),
    Attempt(
        "a registry that leads to blobs inside",
        "oci://registry/tiny",
        words="10.1.2.3, a private address",
        arguments=HUB,
        redirect="http://10.1.2.3:{inner}/blob",
        redirected=f"/v2/tiny/blobs/{digest_of(chat_model()['config.json'])}",
        status=307,
    ),
    Attempt(
        "a registry with a token service inside",
        "oci://registry/tiny",
        words=_MACHINE,
        arguments=HUB,
        asks='Bearer realm="http://127.0.0.1:{inner}/token",service="registry"',
        redirected="/v2/tiny/manifests/latest",
    ),
    Attempt("a registry inside", "oci://r/tiny", words=_MACHINE, arguments=("--endpoint", "http://127.0.0.1:{inner}")),
]
NETWORKS = [
    _at("all networks do not open a private one", "10.1.2.3", "inside 10.0.0.0/8", policy(cidrs=["0.0.0.0/0", "::/0"])),
    _at("nor this machine", "127.0.0.1", "inside 127.0.0.0/8", policy(cidrs=["0.0.0.0/0", "126.0.0.0/7"])),
    _at("nor what stands for it", "[::ffff:10.1.2.3]", "stands for 10.1.2.3", policy(cidrs=["::/0"])),
    _at("private networks do not open metadata", "[fd00:ec2::254]", "metadata", policy(cidrs=["fc00::/7"])),
    _at("link-local ones neither", "169.254.169.254", "metadata", policy(cidrs=["169.254.0.0/16"])),
    _at("another private network", "10.2.0.1", "private", policy(cidrs=["10.1.0.0/16"])),
    _at("a public address outside", "93.184.216.34", "have in common 198.18.0.0/15", policy(cidrs=["198.18.0.0/15"])),
    _at("no network in common", "93.184.216.34", "have in common nothing", policy(cidrs=[])),
]
ALLOWED = [
    Attempt("a public mirror without a policy", reason=None),
    Attempt("a host on the list", reason=None, said=_LISTED),
    Attempt("a host in big letters", "http://Models.Example.COM:{mirror}/model", reason=None, said=_LISTED),
    Attempt("a host with the root's dot", "http://models.example.com.:{mirror}/model", reason=None, said=_LISTED),
    Attempt("a host below a wildcard", reason=None, said=policy(["*.example.com"], ["*.com", "x.org"])),
    Attempt(
        "a host of another script",
        "http://bücher.example:{mirror}/model",
        reason=None,
        said=policy(["xn--bcher-kva.example"]),
        names={"xn--bcher-kva.example": [["93.184.216.34"]]},
    ),
    Attempt(
        "a private mirror by its network",
        "http://mirror.team.svc:{mirror}/model",
        reason=None,
        said=policy(["*.svc"], cidrs=["10.1.0.0/16"]),
        names={"mirror.team.svc": [["10.1.2.3"]]},
    ),
    Attempt(
        "a private mirror by its IPv6 network",
        "http://mirror.team.svc:{mirror}/model",
        reason=None,
        said=policy(cidrs=["fd12::/16"]),
        names={"mirror.team.svc": [["fd12::7"]]},
    ),
    Attempt(
        "a mapped address of it", "http://[::ffff:10.1.2.3]:{mirror}/model", None, said=policy(cidrs=["10.1.0.0/16"])
    ),
    Attempt("a public address by NAT64", "http://[64:ff9b::5db8:d822]:{mirror}/model", None),
    Attempt(
        "this machine by a network inside it",
        "http://127.0.0.1:{mirror}/model",
        None,
        said=policy(cidrs=["127.0.0.0/8"]),
    ),
    _redirected(
        "a redirect to an allowed host", "http://cdn.example.com:{inner}/model/SHA256SUMS", "", 308, reason=None
    ),
    Attempt("a registry", "oci://registry/tiny", None, arguments=HUB),
    Attempt(
        "a hub and its storage on the list",
        "hf://acme/cdn",
        reason=None,
        said=policy(["models.example.com", "cdn.example.com"]),
        arguments=HUB,
    ),
]
PROXIED = [
    Attempt(
        "a proxy of the platform by its name, and a host on the list",
        MIRROR,
        None,
        said=policy(["models.example.com"], proxies=["http://proxy.team.svc:{proxy}"]),
        names={"proxy.team.svc": [["10.9.9.9"]]},
        environment={"HTTP_PROXY": "http://proxy.team.svc:{proxy}"},
    ),
    Attempt("a proxy of the platform inside", MIRROR, None, said=policy(proxies=PROXIES), environment=BY_PROXY),
    _by_proxy("a private address", "10.1.2.3", "10.1.2.3, a private address"),
    _by_proxy("loopback as a number", "0x7f.1", _MACHINE),
    _by_proxy("its own machine", "localhost", "a name inside a cluster or machine"),
    _by_proxy("a name of the cluster", "kubernetes.default.svc.cluster.local", "a name inside a cluster or machine"),
    _by_proxy("the metadata service", "metadata.google.internal.", "a name inside a cluster or machine"),
    _by_proxy("a host that is not on the list", "other.example.net", "is not allowed", ["models.example.com"]),
    Attempt("a proxy inside that is not the platform's", words="10.9.9.9, a private address", environment=BY_PROXY),
]
# As processes too: one of each kind, and those that need a process of their own.
AS_PROCESSES = [
    attempt
    for attempt in (*DIRECT, *NAMES, *LISTS, *REDIRECTS, *NETWORKS, *ALLOWED)
    if attempt.title
    in {
        "loopback by name",
        "loopback as one decimal number",
        "the metadata address",
        "the API server at a public address",
        "a name that leads inside at its second lookup",
        "a host that is not on the list",
        "a redirect to a private address (307)",
        "a hub that leads to storage inside",
        "a bucket inside",
        "a private mirror by its network",
    }
] + [
    *PROXIED,
    Attempt(
        "a hub inside, by the environment",
        "hf://acme/cdn",
        words=_MACHINE,
        environment={"HF_ENDPOINT": "http://127.0.0.1:{inner}"},
    ),
]
IN_PROCESS = [*DIRECT, *NAMES, *LISTS, *REDIRECTS, *NETWORKS, *ALLOWED]
