"""Client certificates judged by one profile: who gets in, and why the others do not."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from OpenSSL._util import lib

from certctl.domain.errors import CertificateRefused
from certctl.trust.verify import MAX_PRESENTED, ProfileTrust
from tests.unit.trust.pki import (
    FOREVER,
    NOW,
    NOW_US,
    ec_key,
    make,
    make_ca,
    name,
    sealed,
    usage,
    with_sha1,
)

DAY = timedelta(days=1)


def reason_of(trust, chain, now_us=NOW_US):
    with pytest.raises(CertificateRefused) as caught:
        trust.verify(chain, now_us)
    # What is left there would break the next TLS read of somebody else.
    assert lib.ERR_peek_error() == 0
    return caught.value.reason


@pytest.fixture(scope="module")
def root():
    return make_ca("root")


@pytest.fixture(scope="module")
def trust(root):
    return ProfileTrust([root.der])


def test_no_certificate_at_all_is_untrusted(trust):
    assert reason_of(trust, []) == "untrusted"


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"\x30\x80\x00\x00", b"garbage", b"\0" * 99])
def test_octets_that_are_no_certificate_are_untrusted(trust, octets):
    assert reason_of(trust, [octets]) == "untrusted"


def test_a_certificate_cut_at_any_octet_is_untrusted(root, trust):
    leaf = make("device", issuer=root).der
    for length in range(len(leaf)):
        assert reason_of(trust, [leaf[:length]]) == "untrusted"


def test_octets_after_the_certificate_are_refused(root, trust):
    assert reason_of(trust, [make("device", issuer=root).der + b"\x00"]) == "untrusted"


def test_a_broken_certificate_further_up_is_refused(root, trust):
    leaf = make("device", issuer=root)
    assert reason_of(trust, [leaf.der, b"\x30\x03\x02\x01\x01"]) == "untrusted"


def test_no_anchor_trusts_nobody(root):
    assert reason_of(ProfileTrust([]), [make("device", issuer=root).der, root.der]) == "untrusted"


def test_self_signed_leaf_is_untrusted(trust):
    assert reason_of(trust, [make("device").der]) == "untrusted"


def test_other_ca_is_untrusted_even_when_the_client_brings_it(trust):
    other = make_ca("other")
    assert reason_of(trust, [make("device", issuer=other).der, other.der]) == "untrusted"


def test_other_ca_of_the_same_name_is_untrusted(trust):
    impostor = make_ca("root")
    leaf = make("device", issuer=impostor)
    assert reason_of(trust, [leaf.der]) == "untrusted"
    assert reason_of(trust, [leaf.der, impostor.der]) == "untrusted"


def test_other_ca_of_the_same_name_and_key_identifier_is_untrusted():
    identifier = x509.SubjectKeyIdentifier(b"k" * 20)
    above = x509.AuthorityKeyIdentifier(b"k" * 20, None, None)
    real = make_ca("root", extensions=[(identifier, False)])
    impostor = make_ca("root", extensions=[(identifier, False)])
    leaf = make("device", issuer=impostor, extensions=[(above, False)])
    assert reason_of(ProfileTrust([real.der]), [leaf.der, impostor.der]) == "untrusted"


@pytest.mark.parametrize("turned", [False, True])
def test_two_anchors_of_one_name_are_both_heard(turned):
    anchors = [make_ca("twin"), make_ca("twin")]
    trust = ProfileTrust([ca.der for ca in (reversed(anchors) if turned else anchors)])
    for ca in anchors:
        assert trust.verify([make("device", issuer=ca).der], NOW_US).subject == "CN=device"
    assert reason_of(trust, [make("device", issuer=make_ca("twin")).der]) == "untrusted"


def test_expired_and_not_yet_valid_leaf(root, trust):
    expired = make("device", issuer=root, not_after=NOW - DAY)
    early = make("device", issuer=root, not_before=NOW + DAY)
    assert reason_of(trust, [expired.der]) == "expired"
    assert reason_of(trust, [early.der]) == "not_yet_valid"


def test_an_untrusted_certificate_does_not_learn_that_it_has_expired(trust):
    assert reason_of(trust, [make("device", not_after=NOW - DAY).der]) == "untrusted"


def test_time_comes_from_the_caller_and_may_go_both_ways(root, trust):
    leaf = make("device", issuer=root, not_before=NOW - DAY, not_after=NOW + DAY)
    two_days = 2 * 86_400_000_000
    for _ in range(2):
        assert trust.verify([leaf.der], NOW_US).own is False
        assert reason_of(trust, [leaf.der], NOW_US + two_days) == "expired"
        assert reason_of(trust, [leaf.der], NOW_US - two_days) == "not_yet_valid"


def test_validity_ends_after_the_very_second_of_not_after(root, trust):
    leaf = make("device", issuer=root, not_after=NOW)
    assert trust.verify([leaf.der], NOW_US)
    assert reason_of(trust, [leaf.der], NOW_US + 1_000_000) == "expired"


@pytest.mark.parametrize(
    "times", [{"not_after": NOW - DAY}, {"not_before": NOW + DAY}], ids=["expired", "early"]
)
def test_an_anchor_or_intermediate_out_of_time_makes_the_leaf_untrusted(root, times):
    stale = make_ca("stale", **times)
    assert reason_of(ProfileTrust([stale.der]), [make("d", issuer=stale).der]) == "untrusted"
    between = make_ca("between", issuer=root, **times)
    chain = [make("d", issuer=between).der, between.der]
    assert reason_of(ProfileTrust([root.der]), chain) == "untrusted"


def test_a_renewed_anchor_beside_its_expired_self_is_found():
    key = ec_key()
    old = make_ca("ca", key=key, not_after=NOW - DAY)
    new = make_ca("ca", key=key)
    leaf = make("device", issuer=new)
    assert ProfileTrust([old.der, new.der]).verify([leaf.der], NOW_US)
    assert ProfileTrust([new.der, old.der]).verify([leaf.der], NOW_US)


def test_factory_certificate_without_san_aki_ski_ku_and_without_end(root, trust):
    leaf = make("SN-0815", issuer=root, not_after=FOREVER, serial=0x0ABC)
    credential = trust.verify([leaf.der], NOW_US)
    assert credential.fingerprint == hashlib.sha256(leaf.der).digest()
    assert (credential.serial, credential.subject, credential.issuer) == (
        "abc",
        "CN=SN-0815",
        "CN=root",
    )
    assert credential.subject_der == name("SN-0815").public_bytes()
    assert (credential.san_der, credential.own) == (b"", False)


def test_the_san_is_handed_on_as_it_stands(root, trust):
    san = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("b.example")])
    leaf = make("device", issuer=root, extensions=[(san, False)])
    assert trust.verify([leaf.der], NOW_US).san_der == san.public_bytes()


@pytest.mark.parametrize(
    "extension",
    [
        x509.ExtendedKeyUsage([Eku.SERVER_AUTH]),
        usage(),
        usage(key_cert_sign=True),
        x509.BasicConstraints(ca=True, path_length=None),
    ],
    ids=["server-only", "encipherment-only", "signs-certificates-only", "ca"],
)
def test_wrong_usage(root, trust, extension):
    leaf = make("device", issuer=root, extensions=[(extension, True)])
    assert reason_of(trust, [leaf.der]) == "wrong_usage"
    with pytest.raises(CertificateRefused) as caught:
        trust.describe(leaf.der)
    assert (caught.value.reason, caught.value.subject) == ("wrong_usage", "CN=device")


@pytest.mark.parametrize(
    "extension",
    [
        x509.ExtendedKeyUsage([Eku.CLIENT_AUTH]),
        x509.ExtendedKeyUsage([Eku.SERVER_AUTH, Eku.CLIENT_AUTH]),
        x509.ExtendedKeyUsage([Eku.ANY_EXTENDED_KEY_USAGE]),
        usage(digital_signature=True),
        x509.BasicConstraints(ca=False, path_length=None),
    ],
    ids=["client", "both", "any", "digital-signature", "no-ca"],
)
def test_right_usage(root, trust, extension):
    leaf = make("device", issuer=root, extensions=[(extension, True)])
    assert trust.verify([leaf.der], NOW_US).subject == "CN=device"


def test_an_anchor_that_is_a_ca_is_no_client(root, trust):
    assert reason_of(trust, [root.der]) == "wrong_usage"


def test_a_pinned_device_certificate_is_its_own_anchor():
    pinned = make("device")
    assert ProfileTrust([pinned.der]).verify([pinned.der], NOW_US).subject == "CN=device"


def test_an_issuing_ca_alone_is_an_anchor(root):
    between = make_ca("between", issuer=root)
    leaf = make("device", issuer=between)
    assert ProfileTrust([between.der]).verify([leaf.der], NOW_US).issuer == "CN=between"
    assert reason_of(ProfileTrust([between.der]), [make("d", issuer=root).der]) == "untrusted"


def line_of(root, count):
    """[leaf, intermediates from the lowest to the highest]"""
    above = root
    between: list[bytes] = []
    for number in range(count):
        above = make_ca(f"between {number}", issuer=above)
        between.insert(0, above.der)
    return [make("device", issuer=above).der, *between]


def test_eight_intermediates_are_followed_and_nine_are_not(root, trust):
    assert trust.verify(line_of(root, 8), NOW_US)
    assert reason_of(trust, line_of(root, 9)) == "untrusted"


def test_intermediates_may_come_in_any_order(root, trust):
    leaf, *between = line_of(root, 3)
    assert trust.verify([leaf, *reversed(between), root.der], NOW_US)


def test_a_missing_intermediate_is_untrusted(root, trust):
    leaf, low, _, high = line_of(root, 3)
    assert reason_of(trust, [leaf, low, high]) == "untrusted"


def test_twenty_intermediates_are_refused_unread(root, trust):
    chain = line_of(root, 1)
    assert trust.verify(chain + chain[1:] * (MAX_PRESENTED - len(chain)), NOW_US)
    assert reason_of(trust, chain + chain[1:] * (MAX_PRESENTED - 1)) == "untrusted"
    with pytest.raises(CertificateRefused) as caught:
        trust.verify([b"never read"] * (MAX_PRESENTED + 1), NOW_US)
    assert caught.value.subject == ""


def test_a_chain_larger_than_a_handshake_may_carry_is_refused_unread(root, trust):
    filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(25 * 1024))
    heavy = make_ca("heavy", issuer=root, extensions=[(filler, False)]).der
    leaf = make("device", issuer=root).der
    assert trust.verify([leaf, *[heavy] * 3], NOW_US)
    with pytest.raises(CertificateRefused) as caught:
        trust.verify([leaf, *[heavy] * 4], NOW_US)
    assert caught.value.subject == ""


def test_two_cas_that_signed_each_other_are_a_loop_and_untrusted(trust):
    key_a, key_b = ec_key(), ec_key()
    a, b = make_ca("a", key=key_a), make_ca("b", key=key_b)
    a_by_b = make_ca("a", key=key_a, issuer=b)
    b_by_a = make_ca("b", key=key_b, issuer=a)
    leaf = make("device", issuer=a)
    assert reason_of(trust, [leaf.der, a_by_b.der, b_by_a.der]) == "untrusted"


@pytest.mark.parametrize(
    "settings",
    [
        {"ca": False},
        {"ca": None, "extensions": []},
        {"ca": None},
        {"extensions": [(usage(digital_signature=True), True)]},
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=1024)},  # noqa: S505
    ],
    ids=["ca-false", "no-basic", "no-basic-cert-sign", "no-cert-sign", "rsa-1024"],
)
def test_an_intermediate_that_may_not_or_should_not_sign(root, trust, settings):
    between = make_ca("between", issuer=root, **settings)
    leaf = make("device", issuer=between)
    assert reason_of(trust, [leaf.der, between.der]) == "untrusted"


@pytest.fixture(scope="module")
def rsa_root():
    return make_ca("rsa root", key=rsa.generate_private_key(public_exponent=65537, key_size=2048))


def test_a_leaf_or_intermediate_signed_with_sha1_is_untrusted(rsa_root, tmp_path):
    trust = ProfileTrust([rsa_root.der])
    leaf = make("device", issuer=rsa_root)
    assert trust.verify([leaf.der], NOW_US)
    assert reason_of(trust, [with_sha1(leaf, rsa_root, tmp_path).der]) == "untrusted"
    between = make_ca("between", issuer=rsa_root)
    below = make("device", issuer=between)
    assert trust.verify([below.der, between.der], NOW_US)
    weak = with_sha1(between, rsa_root, tmp_path)
    assert reason_of(trust, [below.der, weak.der]) == "untrusted"


def test_a_leaf_with_a_small_key_is_untrusted(root, trust):
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    assert reason_of(trust, [make("device", issuer=root, key=small).der]) == "untrusted"


def test_a_leaf_with_a_key_of_an_unknown_or_forsaken_kind_is_untrusted(root, trust):
    forsaken = make("device", issuer=root, key=dsa.generate_private_key(key_size=2048))
    assert reason_of(trust, [forsaken.der]) == "untrusted"
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = make("device", issuer=root, key=key)
    curve = bytes.fromhex("06082a8648ce3d030107")
    tbs = leaf.certificate.tbs_certificate_bytes.replace(curve, curve[:-1] + b"\x7f")
    assert tbs != leaf.certificate.tbs_certificate_bytes
    assert reason_of(trust, [sealed(tbs, root)]) == "untrusted"


def test_a_leaf_with_a_post_quantum_key_is_trusted(root, trust):
    leaf = make("device", issuer=root, key=mldsa.MLDSA65PrivateKey.generate())
    assert trust.verify([leaf.der], NOW_US).subject == "CN=device"


def test_an_old_sha1_root_is_still_an_anchor_but_not_one_of_1024_bits(rsa_root, tmp_path):
    old = with_sha1(rsa_root, rsa_root, tmp_path)
    assert ProfileTrust([old.der]).verify([make("device", issuer=old).der], NOW_US)
    small = make_ca(
        "small",
        key=rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505
    )
    assert reason_of(ProfileTrust([small.der]), [make("d", issuer=small).der]) == "untrusted"


def test_an_anchor_below_another_ends_the_path_there(rsa_root, tmp_path):
    between = with_sha1(make_ca("between", issuer=rsa_root), rsa_root, tmp_path)
    leaf = make("device", issuer=between)
    assert ProfileTrust([between.der]).verify([leaf.der], NOW_US)
    assert ProfileTrust([rsa_root.der, between.der]).verify([leaf.der], NOW_US)


def test_path_length_and_name_constraints_hold(root):
    short = make_ca("short", path_length=0)
    below = make_ca("below", issuer=short)
    chain = [make("device", issuer=below).der, below.der]
    assert reason_of(ProfileTrust([short.der]), chain) == "untrusted"

    only = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName("good.example")], excluded_subtrees=None
    )
    fenced = make_ca("fenced", issuer=root, extensions=[(only, True)])
    trust = ProfileTrust([root.der])
    for host, good in (("a.good.example", True), ("a.bad.example", False)):
        san = x509.SubjectAlternativeName([x509.DNSName(host)])
        leaf = make("device", issuer=fenced, extensions=[(san, False)])
        if good:
            assert trust.verify([leaf.der, fenced.der], NOW_US)
        else:
            assert reason_of(trust, [leaf.der, fenced.der]) == "untrusted"


def test_an_unknown_critical_extension_is_untrusted(root, trust):
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert reason_of(trust, [make("d", issuer=root, extensions=[(odd, True)]).der]) == "untrusted"
    assert trust.verify([make("d", issuer=root, extensions=[(odd, False)]).der], NOW_US)


def test_a_huge_certificate_is_refused_wherever_it_stands(root, trust):
    big = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"x" * 40_000)
    huge = make("device", issuer=root, extensions=[(big, False)])
    assert reason_of(trust, [huge.der]) == "untrusted"
    assert reason_of(trust, [make("device", issuer=root).der, huge.der]) == "untrusted"


def test_ed25519_hierarchy_is_trusted():
    root = make_ca("root", key=ed25519.Ed25519PrivateKey.generate())
    leaf = make("device", issuer=root, key=ed25519.Ed25519PrivateKey.generate())
    assert ProfileTrust([root.der]).verify([leaf.der], NOW_US).subject == "CN=device"


def test_a_refusal_names_what_was_shown(trust):
    leaf = make("evil\n\u202etxt", issuer_name="nobody", serial=0xFF)
    with pytest.raises(CertificateRefused) as caught:
        trust.verify([leaf.der], NOW_US)
    failure = caught.value
    assert (failure.subject, failure.issuer, failure.serial) == (
        r"CN=evil\0A\E2\80\AEtxt",
        "CN=nobody",
        "ff",
    )


def test_describe_judges_neither_issuer_nor_time(trust):
    stranger = make("stranger", issuer_name="nobody", not_after=NOW - DAY, serial=7)
    described = trust.describe(stranger.der)
    assert (described.subject, described.issuer, described.serial) == (
        "CN=stranger",
        "CN=nobody",
        "7",
    )
    assert described.own is False
    with pytest.raises(CertificateRefused) as caught:
        trust.describe(stranger.der[:-1])
    assert caught.value.reason == "untrusted"


def test_an_anchor_that_is_no_certificate_is_refused():
    with pytest.raises(CertificateRefused):
        ProfileTrust([b"no certificate"])


def test_a_path_that_holds_leaves_no_openssl_error_behind_either():
    # CRL distribution points cut short: OpenSSL notes that, and accepts what is an anchor.
    cut = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\x30\x03\x02\x01")
    odd = make("device", extensions=[(cut, False)])
    ProfileTrust([odd.der]).verify([odd.der], NOW_US)
    assert lib.ERR_peek_error() == 0
