"""An authority of one's own and certificates that it signs, by openssl: for the servers that tests reach over TLS."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that nobody trusts by itself; `certificate` is what a client must be told to trust."""

    certificate: Path
    key: Path

    def issue(self, name: str, *addresses: str) -> Path:
        """Return a file with key and certificate of a server at these addresses (`DNS:…`, `IP:…`)."""
        path = self.certificate.parent / f"{name}.pem"
        _openssl(
            *(
                "req",
                "-x509",
                *_KEY,
                "-keyout",
                str(path),
                "-out",
                f"{path}.crt",
                "-days",
                "30",
                "-subj",
                f"/CN={name}",
            ),
            *("-CA", str(self.certificate), "-CAkey", str(self.key)),
            *("-addext", f"subjectAltName={','.join(addresses)}", "-addext", "basicConstraints=critical,CA:FALSE"),
        )
        path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
        return path


def make_authority(folder: Path) -> Authority:
    """Make an authority in the folder."""
    authority = Authority(folder / "ca.crt", folder / "ca.key")
    files = ("-keyout", str(authority.key), "-out", str(authority.certificate))
    _openssl("req", "-x509", *_KEY, *files, "-days", "30", "-subj", "/CN=a private authority")
    return authority


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")
