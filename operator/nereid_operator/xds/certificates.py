"""The certificates between gateway and operator: what is there → what shall be there. Pure; `now` is an argument.

An authority of our own signs one certificate for the control plane and one for the gateway; each is renewed when two
thirds of its time are over. Nobody is disturbed, because everyone trusts a bundle:

- a new authority joins the bundle, the old one stays in it until it ends;
- certificates that the old one signed stay, and end before it does;
- what a new authority signs is used only when the bundle with it had a day to get everywhere.

The operator writes the result into its Secrets (certificate_keeper.py) and serves with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_LIFE = timedelta(days=90)
# What an authority signs in its last third has to end before it: a third is more than LEAF_LIFE.
AUTHORITY_LIFE = timedelta(days=360)
SPREAD = timedelta(days=1)
_SKEW = timedelta(hours=1)  # clocks differ


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM texts."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Certificates:
    """All there is: `bundle` has the authorities that are trusted, first the one that signs, whose key is beside it.

    None where nothing is there yet.
    """

    bundle: str = ""
    authority_key: str = ""
    server: Pair | None = None
    client: Pair | None = None


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whom certificates are for: the control plane's DNS name, the gateway's URI."""

    server_dns: str
    client_uri: str


def renewed(present: Certificates, subjects: Subjects, now: datetime) -> Certificates:
    """Return what shall be there; equal to `present` when that is in order."""
    present = _with_authority(present, now)
    server = x509.SubjectAlternativeName([x509.DNSName(subjects.server_dns)])
    client = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(subjects.client_uri)])
    return Certificates(
        bundle=present.bundle,
        authority_key=present.authority_key,
        server=_leaf(present, present.server, server, ExtendedKeyUsageOID.SERVER_AUTH, now),
        client=_leaf(present, present.client, client, ExtendedKeyUsageOID.CLIENT_AUTH, now),
    )


def renewal_time(certificates: Certificates) -> datetime:
    """Return when `renewed` has something to do again."""
    chains = (certificates.bundle, *(pair.certificate for pair in (certificates.server, certificates.client) if pair))
    return min(_renew_from(parsed[0]) for parsed in map(_parse, chains) if parsed)


def _with_authority(present: Certificates, now: datetime) -> Certificates:
    trusted = [one for one in _parse(present.bundle) if one.not_valid_after_utc > now]
    if trusted and now < _renew_from(trusted[0]) and _is_key_of(present.authority_key, trusted[0]):
        return Certificates(_pem(trusted), present.authority_key, present.server, present.client)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Nereid gateway {now:%Y-%m-%d}")])
    authority = (
        _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificates(_pem([authority, *trusted]), _key_pem(key), present.server, present.client)


def _leaf(
    authorities: Certificates,
    present: Pair | None,
    names: x509.SubjectAlternativeName,
    usage: x509.ObjectIdentifier,
    now: datetime,
) -> Pair:
    trusted = _parse(authorities.bundle)
    certificate = _usable(present, names, trusted, now)
    if present is not None and certificate is not None:
        spread = now >= trusted[0].not_valid_before_utc + _SKEW + SPREAD
        if now < _renew_from(certificate) or not spread:
            return present
    key = ec.generate_private_key(ec.SECP256R1())
    signer = load_pem_private_key(authorities.authority_key.encode(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is no ECDSA key")
    made = (
        _builder(x509.Name([]), trusted[0].subject, key.public_key(), now, now + LEAF_LIFE)
        .add_extension(names, critical=True)  # critical, for there is no subject
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Pair(_pem([made]), _key_pem(key))


def _usable(
    pair: Pair | None, names: x509.SubjectAlternativeName, trusted: Iterable[x509.Certificate], now: datetime
) -> x509.Certificate | None:
    """Return the certificate where it is for these names, in time, its key's, and of an authority in the bundle."""
    parsed = _parse(pair.certificate) if pair else []
    if pair is None or not parsed or not _is_key_of(pair.key, parsed[0]):
        return None
    certificate = parsed[0]
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return None
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    return certificate if found == names and any(_signed(certificate, one) for one in trusted) else None


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _is_key_of(key: str, certificate: x509.Certificate) -> bool:
    try:
        return load_pem_private_key(key.encode(), password=None).public_key() == certificate.public_key()
    except (TypeError, ValueError):
        return False


def _renew_from(certificate: x509.Certificate) -> datetime:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * 2 / 3


def _parse(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text; none where it cannot be read."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _SKEW)
        .not_valid_after(end.astimezone(UTC))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
