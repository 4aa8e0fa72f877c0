"""What becomes of the certificates between gateway and operator as time goes by."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from nereid_operator.xds.certificates import (
    AUTHORITY_LIFE,
    LEAF_LIFE,
    SPREAD,
    Certificates,
    Pair,
    Subjects,
    renewal_time,
    renewed,
)
from nereid_operator.xds.identity import certificate_uris

START = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECTS = Subjects("nereid-xds.nereid-system.svc", "spiffe://nereid.dev/ns/nereid-system/gateway")
FIRST = renewed(Certificates(), SUBJECTS, START)
DAY = timedelta(days=1)


def authorities(certificates: Certificates) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(certificates.bundle.encode())


def leaves(certificates: Certificates) -> list[x509.Certificate]:
    pairs = [pair for pair in (certificates.server, certificates.client) if pair]
    return [x509.load_pem_x509_certificate(pair.certificate.encode()) for pair in pairs]


def test_the_first_ones_are_for_whom_they_shall_be():
    server, client = leaves(FIRST)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [SUBJECTS.server_dns]
    assert FIRST.client is not None
    assert certificate_uris(FIRST.client.certificate.encode()) == [SUBJECTS.client_uri]
    assert [one.not_valid_after_utc for one in (server, client)] == [START + LEAF_LIFE] * 2
    for leaf in (server, client):
        leaf.verify_directly_issued_by(authorities(FIRST)[0])


@pytest.mark.parametrize("days", [0, 1, 30, 59])
def test_nothing_changes_before_two_thirds_are_over(days):
    assert renewed(FIRST, SUBJECTS, START + days * DAY) == FIRST


def test_leaves_are_renewed_when_two_thirds_are_over():
    assert START + 59 * DAY < renewal_time(FIRST) < START + 60 * DAY
    later = renewed(FIRST, SUBJECTS, renewal_time(FIRST))
    assert later.bundle == FIRST.bundle
    assert later.server != FIRST.server
    assert later.client != FIRST.client


def test_for_two_years_everyone_trusts_everyone_also_who_has_old_files():
    """The operator looks each day; a gateway may have its files from a day before."""
    before = FIRST
    for day in range(1, 730):
        now = START + day * DAY
        present = renewed(before, SUBJECTS, now)
        for mine, theirs in ((before, present), (present, before), (present, present)):
            assert all(_trusts(mine, leaf, now) for leaf in leaves(theirs)), f"day {day}"
        assert len(authorities(present)) <= 2
        before = present
    assert authorities(before)[0] not in authorities(FIRST)


def test_a_new_authority_signs_only_when_it_is_known_everywhere():
    rotation = START + AUTHORITY_LIFE * 2 / 3
    old = renewed(FIRST, SUBJECTS, rotation - 60 * DAY)
    both = renewed(old, SUBJECTS, rotation)
    assert len(authorities(both)) == 2
    assert (both.server, both.client) == (old.server, old.client)
    assert renewed(both, SUBJECTS, rotation + SPREAD / 2) == both
    after = renewed(both, SUBJECTS, rotation + SPREAD)
    assert (after.bundle, after.server == old.server) == (both.bundle, False)


@pytest.mark.parametrize(
    "broken",
    [
        replace(FIRST, server=None),
        replace(FIRST, server=Pair("no certificate", "no key")),
        replace(FIRST, server=FIRST.client),
        replace(FIRST, server=replace(FIRST.server, key=FIRST.client.key)),
        replace(FIRST, server=renewed(Certificates(), SUBJECTS, START).server),
        replace(FIRST, server=renewed(FIRST, replace(SUBJECTS, server_dns="other"), START + 1 * DAY).server),
    ],
    ids=["missing", "garbage", "the client's", "another key", "of another authority", "for another name"],
)
def test_a_certificate_that_does_not_do_is_made_again_at_once(broken):
    mended = renewed(broken, SUBJECTS, START + DAY)
    assert mended.bundle == FIRST.bundle
    assert mended.client == FIRST.client
    leaf = leaves(mended)[0]
    leaf.verify_directly_issued_by(authorities(FIRST)[0])
    assert mended.server != broken.server
    assert renewed(mended, SUBJECTS, START + DAY) == mended


@pytest.mark.parametrize("key", ["", "no key", FIRST.client.key if FIRST.client else ""])
def test_without_the_authority_s_key_there_is_a_new_authority_and_the_old_one_stays_trusted(key):
    mended = renewed(replace(FIRST, authority_key=key), SUBJECTS, START + DAY)
    assert authorities(mended)[1:] == authorities(FIRST)
    assert (mended.server, mended.client) == (FIRST.server, FIRST.client)


def test_an_authority_that_ended_leaves_the_bundle():
    late = renewed(FIRST, SUBJECTS, START + AUTHORITY_LIFE + DAY)
    assert len(authorities(late)) == 1
    assert authorities(late) != authorities(FIRST)
    assert all(_trusts(late, leaf, START + AUTHORITY_LIFE + DAY) for leaf in leaves(late))


def _trusts(certificates: Certificates, leaf: x509.Certificate, now: datetime) -> bool:
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        return False
    return any(_issued(leaf, one) for one in authorities(certificates) if now < one.not_valid_after_utc)


def _issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError):
        return False
    return True
