"""Applies the egress policy to every connection of the process, whichever library makes it.

Python tells an audit hook of each lookup of a name and of the numeric address right before it connects; an exception
of the hook ends the attempt before anything is sent. What a name was resolved to before, by whom and how, is thereby no
matter: the address that is connected to decides. What goes through a proxy is judged by its URL (`check_url`).
"""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from model_runtime.errors import EgressRefused
from model_runtime.fetch.egress import Destination, Egress, plain_host

_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})

# The policies in force. A hook cannot be removed again, so it looks here.
_in_force: list[Egress] = []


class _Thread(threading.local):
    """What this thread looked up last: the name behind the address that it connects to next."""

    looked_up: Destination | None = None


_thread = _Thread()


@contextmanager
def enforced(egress: Egress | None) -> Iterator[None]:
    """Hold every connection of the process to the policy until the block ends; None enforces nothing."""
    if egress is None:
        yield
        return
    _install()
    _in_force.append(egress)
    try:
        yield
    finally:
        _in_force.remove(egress)


def check_url(egress: Egress | None, url: str) -> None:
    """Refuse a URL before it is asked for; called for every hop of a redirect.

    Raises:
        EgressRefused: names the host and what would allow it.

    """
    if egress is None:
        return
    host = urlsplit(url).hostname or ""
    egress.check_host(host)
    if proxy_of(url):
        egress.check_proxied_host(host)


def refusal(error: BaseException | None) -> EgressRefused | None:
    """Return the refusal that a library's exception came from; None when it came from something else."""
    while error is not None and not isinstance(error, EgressRefused):
        error = error.__cause__ or error.__context__
    return error


def proxy_of(url: str) -> str | None:
    """Return the environment's proxy that is asked for the URL; None where it is asked for at its own host."""
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


@cache
def _install() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _in_force:
        return
    if event == "socket.getaddrinfo":
        _look_up(*arguments[:2])
    elif event in _SENDING:
        _send(*arguments)


def _look_up(host: str | bytes | None, port: object) -> None:
    if not host:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    _thread.looked_up = Destination(plain_host(name), port if isinstance(port, int) else 0)
    for egress in _in_force:
        if _thread.looked_up not in egress.proxies:
            egress.check_host(name)


def _send(to: socket.socket, address: Any) -> None:  # noqa: ANN401 - of each family another form
    # Without an address it goes where the socket was connected to.
    if address is None or to.family == socket.AF_UNIX:
        return
    try:
        _check_place(to, address)
    except EgressRefused:
        # Whoever connects closes it after an OSError only.
        to.close()
        raise


def _check_place(to: socket.socket, address: Any) -> None:  # noqa: ANN401
    if to.family not in _INTERNET:
        raise EgressRefused(f"a connection by {to.family!r}: expected one to an IP address")
    try:
        numeric = ip_address(address[0])
    except ValueError as error:
        raise EgressRefused(f"a connection to {address[0]!r}, which nobody looked up") from error
    for egress in _in_force:
        egress.check_connection(_thread.looked_up, numeric, address[1])
