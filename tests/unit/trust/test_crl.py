"""CRLs of a bundle: what they list is out, and what silence means is the profile's to say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.errors import CertificateRefused
from certctl.trust.verify import ProfileTrust
from tests.harness.published import point_of
from tests.unit.trust.pki import NOW, NOW_US, Held, make, make_ca, make_crl

DAY = timedelta(days=1)
ROOT = make_ca("root")
BELOW = make_ca("below", issuer=ROOT)
DEVICE = make("device", issuer=BELOW)
CHAIN = [DEVICE.der, BELOW.der]


def trust(*crls: bytes, anchors: tuple[Held, ...] = (ROOT,), hard: bool = False) -> ProfileTrust:
    ders = [x509.load_pem_x509_crl(crl).public_bytes(Encoding.DER) for crl in crls]
    return ProfileTrust([each.der for each in anchors], crls=ders, require_crl=hard)


def reason_of(judge: ProfileTrust, chain: list[bytes]) -> str:
    with pytest.raises(CertificateRefused) as caught:
        judge.verify(chain, NOW_US)
    assert caught.value.subject == "CN=device"
    return caught.value.reason


def test_a_listed_leaf_is_revoked_and_its_neighbour_is_not():
    judge = trust(make_crl(BELOW, DEVICE))
    assert reason_of(judge, CHAIN) == "revoked"
    neighbour = make("device", issuer=BELOW)
    assert judge.verify([neighbour.der, BELOW.der], NOW_US).subject == "CN=device"


def test_a_listed_intermediate_takes_what_is_below_with_it():
    assert reason_of(trust(make_crl(ROOT, BELOW)), CHAIN) == "revoked"


def test_a_listed_anchor_below_another_anchor_is_revoked():
    judge = trust(make_crl(ROOT, BELOW), anchors=(BELOW, ROOT))
    assert reason_of(judge, [DEVICE.der]) == "revoked"


def test_a_pinned_leaf_is_revoked_by_the_ca_that_stands_beside_it():
    judge = trust(make_crl(BELOW, DEVICE), anchors=(DEVICE, BELOW))
    assert reason_of(judge, [DEVICE.der]) == "revoked"


def test_a_list_of_a_namesake_or_under_a_forged_signature_says_nothing():
    namesake = make_ca("below", issuer=make_ca("elsewhere"))
    judge = trust(make_crl(namesake, DEVICE))
    assert judge.verify(CHAIN, NOW_US)
    assert reason_of(trust(make_crl(namesake), make_crl(ROOT), hard=True), CHAIN) == "no_crl"


def test_a_list_of_another_ca_with_the_same_serial_says_nothing():
    same = make("other", issuer=ROOT, serial=DEVICE.certificate.serial_number)
    assert trust(make_crl(ROOT, same)).verify(CHAIN, NOW_US)


def test_a_stale_list_and_a_hold_still_revoke():
    stale = make_crl(BELOW, DEVICE, next_update=NOW - DAY)
    assert reason_of(trust(stale), CHAIN) == "revoked"
    held = make_crl(BELOW, DEVICE, reason=x509.ReasonFlags.certificate_hold)
    assert reason_of(trust(held), CHAIN) == "revoked"


def test_any_of_several_lists_revokes():
    judge = trust(make_crl(BELOW), make_crl(BELOW, DEVICE, next_update=NOW - DAY))
    assert reason_of(judge, CHAIN) == "revoked"


@pytest.mark.parametrize(
    "crls",
    [
        [],
        [make_crl(BELOW)],
        [make_crl(ROOT)],
        [make_crl(ROOT), make_crl(BELOW, next_update=NOW - DAY)],
        [make_crl(ROOT), make_crl(BELOW, last_update=NOW + DAY)],
    ],
    ids=["none", "root-missing", "intermediate-missing", "stale", "of-tomorrow"],
)
def test_missing_or_stale_is_ignored_when_soft_and_refused_when_hard(crls):
    assert trust(*crls).verify(CHAIN, NOW_US)
    assert reason_of(trust(*crls, hard=True), CHAIN) == "no_crl"


def test_the_list_of_a_partition_speaks_of_its_own_only():
    """Signed and current, but for others: without their own list nothing is known of these."""

    first, second = (f"http://pki.example/crls/below/{number}.crl" for number in (1, 2))
    named = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(first)], None, None, None)]
    )
    device = make("device", issuer=BELOW, extensions=[(named, False)])
    own = make_crl(BELOW, extensions=[(point_of(first), True)])
    other = make_crl(BELOW, extensions=[(point_of(second), True)])
    chain = [device.der, BELOW.der]
    assert trust(make_crl(ROOT), own, hard=True).verify(chain, NOW_US)
    assert trust(make_crl(ROOT), other, own, hard=True).verify(chain, NOW_US)
    assert reason_of(trust(make_crl(ROOT), other, hard=True), chain) == "no_crl"
    assert reason_of(trust(make_crl(ROOT), own, hard=True), CHAIN) == "no_crl", "it names none"
    listing = make_crl(BELOW, device, extensions=[(point_of(second), True)])
    assert reason_of(trust(listing), chain) == "revoked", "a no is a no"


def test_with_all_lists_at_hand_hard_lets_in():
    judge = trust(make_crl(ROOT), make_crl(BELOW), hard=True)
    assert judge.verify(CHAIN, NOW_US).subject == "CN=device"
    # Nothing stands above an anchor on its path, not even above one that is no root.
    assert trust(make_crl(BELOW), anchors=(BELOW,), hard=True).verify([DEVICE.der], NOW_US)
