"""What the authority makes of a certificate profile, on the very bytes it signs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.authority.issue import IssuingRules
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.constraints import NameConstraints, Subtree
from certctl.domain.errors import CertificateProfileUnavailable, PolicyViolation
from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.domain.order import Issued
from certctl.domain.patterns import SanPattern, SubjectPattern
from certctl.domain.policy import CertificateProfile
from certctl.domain.san import SanKind
from certctl.wire.names import decode_name
from tests.unit.authority.conftest import NOW_US, Workshop
from tests.unit.wire import forge


def outcome(workshop: Workshop, profile: CertificateProfile, **changes: Any) -> object:
    rules = IssuingRules({"iss-local": workshop.ca}, {profile.id: profile})
    service = workshop.serve_again(rules)
    return service.run([workshop.order(certificate_profile=profile.id, **changes)])[0]


def certificate(workshop: Workshop, **fields: object) -> x509.Certificate:
    made = outcome(workshop, CertificateProfile(id="cp", **fields))  # type: ignore[arg-type]
    assert isinstance(made, Issued), made
    return x509.load_der_x509_certificate(made.der)


def end_us(made: x509.Certificate) -> int:
    return int(made.not_valid_after_utc.timestamp()) * SECOND_US


def test_a_year_is_a_year_though_the_issuer_would_give_less(workshop: Workshop) -> None:
    assert end_us(certificate(workshop)) == NOW_US + 90 * DAY_US
    year = certificate(workshop, max_ttl_seconds=365 * 86_400)
    assert end_us(year) == NOW_US + 365 * DAY_US


def test_never_beyond_the_end_of_the_ca(workshop: Workshop) -> None:
    [root] = workshop.ca.ca_chain()
    long = certificate(workshop, max_ttl_seconds=100 * 366 * 86_400)
    ca = x509.load_der_x509_certificate(root)
    assert long.not_valid_after_utc == ca.not_valid_after_utc


@pytest.mark.parametrize("seconds", [0, 300, 3_600])
def test_backdating(workshop: Workshop, seconds: int) -> None:
    # The CA itself begins a day before.
    made = certificate(workshop, backdate_seconds=seconds)
    assert int(made.not_valid_before_utc.timestamp()) == NOW_US // SECOND_US - seconds


def test_jitter_spreads_the_ends_and_never_lengthens(workshop: Workshop) -> None:
    profile = CertificateProfile(id="cp", max_ttl_seconds=100 * 86_400, ttl_jitter_percent=10)
    ends: Counter[int] = Counter()
    for part in (b"\0\0", b"\x80\0", b"\xff\xff"):
        rules = IssuingRules({"iss-local": workshop.ca}, {"cp": profile}, random=_always(part))
        (made,) = workshop.serve_again(rules).run([workshop.order(certificate_profile="cp")])
        assert isinstance(made, Issued)
        ends[end_us(x509.load_der_x509_certificate(made.der)) - NOW_US] += 1
    shortest, middle, longest = sorted(ends)
    assert (middle, longest) == (95 * DAY_US, 100 * DAY_US)
    assert 90 * DAY_US < shortest < 90 * DAY_US + 200 * SECOND_US


def test_jitter_also_shortens_the_lifetime_that_is_the_issuers(workshop: Workshop) -> None:
    profile = CertificateProfile(id="cp", ttl_jitter_percent=50)
    rules = IssuingRules({"iss-local": workshop.ca}, {"cp": profile}, random=_always(b"\x80\0"))
    (made,) = workshop.serve_again(rules).run([workshop.order(certificate_profile="cp")])
    assert isinstance(made, Issued)
    assert end_us(x509.load_der_x509_certificate(made.der)) == NOW_US + 90 * DAY_US * 3 // 4


def _always(octets: bytes) -> Callable[[int], bytes]:
    return lambda count: octets[:count]


def test_must_staple(workshop: Workshop) -> None:
    made = certificate(workshop, must_staple=True)
    feature = made.extensions.get_extension_for_class(x509.TLSFeature)
    assert list(feature.value) == [x509.TLSFeatureType.status_request]
    assert not feature.critical
    with pytest.raises(x509.ExtensionNotFound):
        certificate(workshop).extensions.get_extension_for_class(x509.TLSFeature)


def test_purposes_are_those_of_the_profile(workshop: Workshop) -> None:
    made = certificate(workshop, allowed_ekus=("1.3.6.1.5.5.7.3.1", "1.2.3.4"))
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [
        ExtendedKeyUsageOID.SERVER_AUTH,
        x509.ObjectIdentifier("1.2.3.4"),
    ]


WORKER_MISSED = {
    "key_algorithm": CertificateProfile(
        id="cp", allowed_key_algorithms=(AllowedKey(algorithm=KeyAlgorithm.ED25519),)
    ),
    "key_size": CertificateProfile(
        id="cp",
        allowed_key_algorithms=(AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=384),),
    ),
    "san": CertificateProfile(
        id="cp", required_san_patterns=(SanPattern(kind=SanKind.DNS, expression="x"),)
    ),
    "subject": CertificateProfile(
        id="cp", required_subject_patterns=(SubjectPattern(oid="2.5.4.3", expression="x"),)
    ),
    "subject base": CertificateProfile(
        id="cp", permitted_subject_bases=(decode_name(forge.name(("2.5.4.10", "Acme"))),)
    ),
    "name": CertificateProfile(
        id="cp",
        name_constraints=NameConstraints(excluded=(Subtree(kind=SanKind.DNS, base="example"),)),
    ),
    "attribute": CertificateProfile(id="cp", required_csr_attributes=("2.5.4.5",)),
    "attribute of the request": CertificateProfile(
        id="cp", required_csr_attributes=("1.3.6.1.1.1.1.22",)
    ),
}


@pytest.mark.parametrize("case", WORKER_MISSED)
def test_what_a_worker_let_through_is_refused_here(workshop: Workshop, case: str) -> None:
    names = forge.sans(forge.dns("a.example"))
    san_der = names[names.index(b"\x04") + 2 :]
    refused = outcome(workshop, WORKER_MISSED[case], san_der=san_der)
    assert isinstance(refused, PolicyViolation)
    assert refused.dimension == case.split(maxsplit=1)[0]
    assert not workshop.records().certificates()


def test_a_disabled_profile_issues_nothing(workshop: Workshop) -> None:
    refused = outcome(workshop, CertificateProfile(id="cp", enabled=False))
    assert isinstance(refused, CertificateProfileUnavailable)
    assert not workshop.records().certificates()


def test_attributes_with_challenges_are_not_missed_on_the_record(workshop: Workshop) -> None:
    challenge = "1.2.840.113549.1.9.7"
    profile = CertificateProfile(id="cp", required_csr_attributes=(challenge,))
    assert isinstance(outcome(workshop, profile), Issued)
