"""The egress policy: which hosts and addresses the commands may contact. Pure decisions; `enforcement` applies them.

The operator writes it to `--egress` as {"hosts": [[…], …], "cidrs": […] | null, "proxies": […]}: one list of hosts per
ServingPolicy that has one, the networks that all policies have in common, and the platform's proxies.
"""

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from model_runtime.errors import EgressRefused, InvalidArgument
from model_runtime.fetch.special_addresses import Address, Block, Network, special_block, unwrapped

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PLAIN_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_ENTRY = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
# Names that mean the machine or the cluster of whoever looks them up, here a proxy.
_INNER_NAME = re.compile(
    r"[^.]+|(.+\.)?(localhost|svc|cluster\.local|metadata\.(google|azure)\.internal|instance-data\.ec2\.internal)"
)
_FIELDS = frozenset({"hosts", "cidrs", "proxies"})
_SHOWN = 5


class Destination(NamedTuple):
    """A host as it was looked up, in small letters, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Egress:
    """What may be contacted. Without anything said: every host at a public address.

    A host must be on each of the `host_lists`. `networks` is None where no policy names any. `proxies` are the
    platform's, at whatever address. `api_server` is the host of the cluster's, by address as a rule: only a network of
    its own opens that, and nothing a name.
    """

    host_lists: tuple[tuple[str, ...], ...] = ()
    networks: tuple[Network, ...] | None = None
    proxies: frozenset[Destination] = frozenset()
    api_server: str | None = None

    def check_host(self, host: str) -> None:
        """Refuse a host of a URL that is not on every list, or is written as an address that is not allowed.

        Raises:
            EgressRefused: names the host and what would allow it.

        """
        plain = plain_host(host)
        address = literal_address(plain)
        if address is None and not _PLAIN_NAME.fullmatch(plain):
            raise EgressRefused(f"host {plain[:80]!r} is neither a plain name nor an address")
        if plain == self.api_server and address is None:
            raise EgressRefused(f"host {plain} is the cluster's API server, which no policy opens")
        for allowed in self.host_lists:
            if not any(is_within(plain, entry) for entry in allowed):
                raise EgressRefused(
                    f"host {plain} is not allowed: allowedHosts of a ServingPolicy for this namespace "
                    f"{_listed(allowed)}; that policy must name it"
                )
        if address is not None:
            self.check_address(address, plain)

    def check_proxied_host(self, host: str) -> None:
        """Refuse a host that a proxy would look for in its own machine or cluster: its address is not seen here.

        Raises:
            EgressRefused: names the host and what would allow it.

        """
        plain = plain_host(host)
        if literal_address(plain) is None and _INNER_NAME.fullmatch(plain):
            raise EgressRefused(
                f"host {plain} is a name inside a cluster or machine, which no proxy is asked for: "
                "the chart's fetch.proxy.noProxy must name it, and allowedCIDRs of a ServingPolicy its network"
            )

    def check_connection(self, looked_up: Destination | None, address: Address, port: int) -> None:
        """Refuse a connection to an address, after the host that was looked up for it.

        Raises:
            EgressRefused: as `check_address`.

        """
        if looked_up in self.proxies and looked_up is not None and looked_up.port == port:
            return
        self.check_address(address, looked_up.host if looked_up else str(address))

    def check_address(self, address: Address, host: str) -> None:
        """Refuse an address that is not public, unless a network for it is allowed; and any outside of the networks.

        Raises:
            EgressRefused: names host, address, why and what would allow it.

        """
        real = unwrapped(address)
        block = self._special(real)
        if any(_opens(network, address, real, block) for network in self.networks or ()):
            return
        if block is not None:
            raise EgressRefused(
                f"host {host} is at {_shown(address, real)}, {block.what}: models come from public addresses only, "
                f"unless allowedCIDRs of the ServingPolicies for this namespace have a network inside {block.network} "
                "that holds it"
            )
        if self.networks is not None:
            raise EgressRefused(
                f"host {host} is at {_shown(address, real)}: allowedCIDRs of the ServingPolicies for this namespace "
                f"have in common {_listed(tuple(map(str, self.networks)))}; a network that holds it must be added"
            )

    def _special(self, address: Address) -> Block | None:
        if self.api_server is not None and address == literal_address(self.api_server):
            return Block(ip_network(address), "the address of the cluster's API server")
        return special_block(address)


def _opens(network: Network, address: Address, real: Address, block: Block | None) -> bool:
    """Tell whether an allowed network opens an address; 0.0.0.0/0 opens the public ones alone, 10.0.0.0/8 its own."""
    if block is None:
        return real in network or address in network
    return real in network and network.version == block.network.version and _lies_in(network, block.network)


def _lies_in(inner: Network, outer: Network) -> bool:
    return inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _shown(address: Address, real: Address) -> str:
    return str(address) if address == real else f"{address}, which stands for {real}"


def _listed(allowed: tuple[str, ...]) -> str:
    if not allowed:
        return "nothing"
    return ", ".join(allowed[:_SHOWN]) + (f" and {len(allowed) - _SHOWN} more" if len(allowed) > _SHOWN else "")


def plain_host(host: str) -> str:
    """Return a host of a URL in small letters, without brackets or the dot of the root."""
    return host.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def is_within(host: str, entry: str) -> bool:
    """Tell whether an entry takes a plain host; `*.example.com` takes every host below example.com, not that one."""
    return host.endswith(entry[1:]) if entry.startswith("*.") else host == entry


def is_entry(text: str) -> bool:
    """Tell whether a text can be an entry of a list of hosts."""
    return _ENTRY.fullmatch(text) is not None


def literal_address(host: str) -> Address | None:
    """Return the address that a host is written as, in any of the forms that resolvers take (127.1, 0x7f.1, …)."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def read_egress(file: Path, environment: Mapping[str, str]) -> Egress:
    """Return the policy in the file; where there is none, what holds when no policy says anything.

    Raises:
        InvalidArgument: names the file, the field and what would be right.

    """
    server = plain_host(environment.get("KUBERNETES_SERVICE_HOST", "")) or None
    try:
        text = file.read_text()
    except FileNotFoundError:
        return Egress(api_server=server)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"--egress {file}: {error}") from error
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"--egress {file}: expected JSON: {error}") from error
    if not isinstance(content, dict) or content.keys() != _FIELDS:
        raise InvalidArgument(f"--egress {file}: expected an object with exactly {', '.join(sorted(_FIELDS))}")
    return Egress(
        host_lists=tuple(_entries(file, entries) for entries in _list(file, "hosts", content["hosts"])),
        networks=None if content["cidrs"] is None else _networks(file, content["cidrs"]),
        proxies=frozenset(_proxy(file, url) for url in _list(file, "proxies", content["proxies"])),
        api_server=server,
    )


def _list(file: Path, field: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise InvalidArgument(f"--egress {file}: {field}: {str(value)[:80]!r}: expected a list")
    return value


def _entries(file: Path, value: object) -> tuple[str, ...]:
    entries = tuple(map(str, _list(file, "hosts", value)))
    for entry in entries:
        if not is_entry(entry):
            raise InvalidArgument(f"--egress {file}: hosts: {entry[:80]!r}: expected a host or *.example.com")
    return entries


def _networks(file: Path, value: object) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(str(cidr)) for cidr in _list(file, "cidrs", value))
    except ValueError as error:
        raise InvalidArgument(f"--egress {file}: cidrs: {error}") from error


def _proxy(file: Path, value: object) -> Destination:
    try:
        url = urlsplit(str(value))
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or url.scheme not in {"http", "https"}:
        raise InvalidArgument(f"--egress {file}: proxies: expected http://host:port, without a password")
    return Destination(plain_host(host), port or (443 if url.scheme == "https" else 80))
