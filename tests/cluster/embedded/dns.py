"""One DNS question over UDP, to see that the cluster's DNS really answers: the way there is a Service and a pod."""

import secrets
import socket


def question(name: str, identifier: int) -> bytes:
    """Return a DNS query for the address of a name (RFC 1035, section 4) (pure)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = b"".join(part.to_bytes(2, "big") for part in (identifier, 0x0100, 1, 0, 0, 0))
    return header + labels + b"\0" + b"\0\1" + b"\0\1"


def is_answer(reply: bytes, identifier: int) -> bool:
    """Tell whether a reply to the query has no error and at least one answer (pure)."""
    return (
        len(reply) >= 12
        and reply[:2] == identifier.to_bytes(2, "big")
        and reply[3] & 0x0F == 0
        and reply[6:8] != b"\0\0"
    )


def resolves(server: str, name: str) -> bool:
    """Tell whether the server knows the name; waits half a second at most."""
    identifier = secrets.randbelow(2**16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.sendto(question(name, identifier), (server, 53))
            return is_answer(client.recv(4096), identifier)
        except OSError:
            return False
