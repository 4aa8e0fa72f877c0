"""A mounted Secret with credentials of a source, which names the hosts that they may be sent to.

Kubernetes mounts each key as a file. `hosts` is required: who may name a Secret in a ModelDeployment could else have
it sent to a host of his own. Values are read only here, and no message repeats one.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from model_runtime.errors import CredentialsMissing, CredentialsRefused, InvalidArgument
from model_runtime.fetch.egress import is_entry, is_within, plain_host

HOSTS, USERNAME, PASSWORD = "hosts", "username", "password"
# What a header can carry as it is: anything else would be refused later, by a library that repeats the value.
_IN_HEADERS = re.compile(r"[!-~]+"), "one line of printable ASCII characters without spaces"
# Encoded before they are sent, with a colon in between.
_FORMS = {
    USERNAME: (re.compile(r"[^:\x00-\x1f\x7f]+"), "one line without a colon"),
    PASSWORD: (re.compile(r"[^\x00-\x1f\x7f]+"), "one line"),
}
# A shorter one would be found in any text.
_LEAST_HIDDEN = 4


@dataclass(frozen=True, slots=True)
class Credentials:
    """The folder of a mounted Secret; `name` says to people which one it is: "Secret hub-token"."""

    folder: Path
    name: str

    def keys(self) -> frozenset[str]:
        """Return the keys of the Secret; none when it is not there."""
        # Names that begin with dots are kubelet's own.
        return frozenset(path.name for path in self.folder.iterdir() if not path.name.startswith(".."))

    def value(self, key: str) -> str:
        """Return the value of a key, without white space around it.

        Raises:
            CredentialsMissing: the Secret is not there, or lacks the key.
            InvalidArgument: a value with line breaks or characters that cannot be sent.

        """
        if key not in self.keys():
            raise CredentialsMissing(self._lack(key))
        try:
            text = (self.folder / key).read_bytes().decode().strip()
        except UnicodeDecodeError:
            # Not as its cause: that exception holds the bytes.
            raise InvalidArgument(f"{self.name}: key {key!r}: expected text in UTF-8") from None
        if not text:
            raise CredentialsMissing(f"{self.name}: key {key!r} is empty")
        form, wanted = _FORMS.get(key, _IN_HEADERS)
        if not form.fullmatch(text):
            raise InvalidArgument(f"{self.name}: key {key!r}: expected {wanted}")
        return text

    def check_host(self, url: str) -> None:
        """Refuse to send the credentials to a host that the Secret does not name.

        Raises:
            CredentialsMissing: the Secret is not there.
            CredentialsRefused: names the host and the Secret.

        """
        if not self.keys():
            raise CredentialsMissing(self._lack(HOSTS))
        host = plain_host(urlsplit(url).hostname or "")
        if not any(is_within(host, entry) for entry in self._hosts()):
            raise CredentialsRefused(
                f"{self.name} may not be sent to {host}: its key {HOSTS!r} does not name this host"
            )

    def _hosts(self) -> tuple[str, ...]:
        if HOSTS not in self.keys():
            raise CredentialsRefused(
                f"{self.name} has no key {HOSTS!r}: expected the hosts that it may be sent to, such as "
                "models.example.com or *.example.com"
            )
        entries = tuple((self.folder / HOSTS).read_text(errors="replace").lower().replace(",", " ").split())
        for number, entry in enumerate(entries, start=1):
            if not is_entry(entry):
                # Not repeated in the message: it may be what another key should hold.
                raise CredentialsRefused(
                    f"{self.name}: key {HOSTS!r}, entry {number}: expected a host, such as models.example.com or "
                    "*.example.com"
                )
        return entries

    def _lack(self, key: str) -> str:
        """Return what is missing; a Secret that is not there is mounted as an empty folder."""
        keys = ", ".join(sorted(self.keys()))
        return f"{self.name} has no key {key!r}, only {keys}" if keys else f"{self.name} is not there, or is empty"


def without_credentials(text: str, folder: Path) -> str:
    """Return the text with dots for what is in a mounted Secret, which a server may have sent back to be repeated."""
    for hidden in sorted(_hidden(folder), key=len, reverse=True):
        text = re.sub(re.escape(hidden), "…", text, flags=re.IGNORECASE)
    return text


def _hidden(folder: Path) -> set[str]:
    """Return everything in the folder that no message may repeat; nothing where none can be read."""
    try:
        contents = {path.name: path.read_text(errors="replace").strip() for path in folder.iterdir() if path.is_file()}
    except OSError:
        return set()
    account = f"{contents.get(USERNAME, '')}:{contents.get(PASSWORD, '')}"
    values = {content for key, content in contents.items() if key not in {HOSTS, USERNAME}}
    return {value for value in (*values, base64.b64encode(account.encode()).decode()) if len(value) >= _LEAST_HIDDEN}


def check_not_in_clear(url: str) -> None:
    """Refuse to send a credential over a network as it is.

    Raises:
        InvalidArgument: the URL is not https.

    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise InvalidArgument(f"--credentials: {url} is not https: a credential is never sent in clear")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
