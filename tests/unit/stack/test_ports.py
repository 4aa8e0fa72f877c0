"""Ports that tests listen on: never the kernel's own for outgoing connections, and no two processes' alike."""

import socket
from pathlib import Path

from tests.stack.ports import PER_PROCESS, free_ports, stretch


def test_stretches_are_apart_and_below_what_the_kernel_gives_away() -> None:
    stretches = [stretch(f"gw{number}") for number in range(8)]
    ports = [port for one in stretches for port in one]
    assert len(set(ports)) == 8 * PER_PROCESS
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < first
    assert stretch("") == stretches[0]


def test_none_is_given_again_before_all_were_or_while_somebody_listens() -> None:
    (taken,) = free_ports(1)
    with socket.create_server(("127.0.0.1", taken)):
        others = free_ports(PER_PROCESS - 1)
        assert taken not in others
        assert len(set(others)) >= PER_PROCESS - 20
        assert taken not in free_ports(20)
