"""Octets of OCSP answers: one by hand, the others as the library reads and builds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.clock import SECOND_US
from certctl.domain.ocsp import CertificateStanding, OcspError, Revoked, Standing
from certctl.domain.revocation import RevocationReason
from certctl.wire.ocsp_request import OcspIssuer
from certctl.wire.ocsp_response import (
    ERRORS,
    encode_response_data,
    responder_name,
    seal_response,
)
from tests.unit.issuers.orders import spki_of
from tests.unit.trust.pki import NOW, NOW_US, Held, make, make_ca

CA = make_ca("an issuer")
SIGNER = make("a responder", issuer=CA)
LEAF = make("a device", issuer=CA, serial=0x41)
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ISSUER = OcspIssuer(issuer_der=CA.certificate.subject.public_bytes(), spki_der=spki_of(CA.key))
NEXT_US = NOW_US + 3_600 * SECOND_US


def data(*answers: Any, **changes: Any):
    settings: dict[str, Any] = {
        "responder": responder_name(spki_of(SIGNER.key)),
        "produced_us": NOW_US,
        "next_update_us": NEXT_US,
    }
    return encode_response_data(answers, **(settings | changes))


def sealed(octets: bytes, certificate: Held = SIGNER) -> ocsp.OCSPResponse:
    der = seal_response(
        octets, algorithm_der=ECDSA_SHA256, signature=b"sig", certificate_der=certificate.der
    )
    return ocsp.load_der_ocsp_response(der)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OcspError.MALFORMED_REQUEST, ocsp.OCSPResponseStatus.MALFORMED_REQUEST),
        (OcspError.INTERNAL_ERROR, ocsp.OCSPResponseStatus.INTERNAL_ERROR),
        (OcspError.TRY_LATER, ocsp.OCSPResponseStatus.TRY_LATER),
        (OcspError.UNAUTHORIZED, ocsp.OCSPResponseStatus.UNAUTHORIZED),
    ],
)
def test_errors_are_those_of_the_library(error, status):
    assert ocsp.load_der_ocsp_response(ERRORS[error]).response_status is status
    assert len(ERRORS) == len(OcspError)


def test_one_answer_octet_for_octet():
    standing = Revoked(NOW_US - SECOND_US, RevocationReason.KEY_COMPROMISE)
    octets = data((b"\x30\x03\x02\x01\x41", standing), responder=b"k" * 20, nonce=b"nonce")
    assert octets.hex(" ") == bytes.fromhex(
        "308188"
        "a216 0414 6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"
        "180f32303236313132333132303030305a"
        "3043 3041 3003020141"
        "a116 180f32303236313132333131353935395a a0030a0101"
        "180f32303236313132333132303030305a"
        "a011 180f32303236313132333133303030305a"
        "a118 3016 3014 06092b0601050507300102 0407 0405 6e6f6e6365"
    ).hex(" ")


def test_a_revocation_carries_time_and_reason():
    for reason in RevocationReason:
        standing = Revoked(NOW_US - 60 * SECOND_US, reason)
        read = sealed(data((ISSUER.cert_ids("41")[0], standing)))
        assert read.certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert read.revocation_time_utc == NOW - timedelta(minutes=1)
        if reason is RevocationReason.UNSPECIFIED:
            assert read.revocation_reason is None
        else:
            assert read.revocation_reason is not None
            assert read.revocation_reason.value == reason.value


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing.GOOD, ocsp.OCSPCertStatus.GOOD),
        (Standing.UNKNOWN, ocsp.OCSPCertStatus.UNKNOWN),
    ],
)
def test_what_is_not_revoked(standing, status):
    read = sealed(data((ISSUER.cert_ids("41")[0], standing)))
    assert read.certificate_status is status
    assert read.serial_number == 0x41
    assert (read.this_update_utc, read.next_update_utc) == (NOW, NOW + timedelta(hours=1))
    assert read.produced_at_utc == NOW
    assert read.responder_key_hash == responder_name(spki_of(SIGNER.key))
    assert read.certificates == [SIGNER.certificate]
    assert read.signature == b"sig"


def test_times_are_generalized_whatever_the_year():
    octets = data(
        (b"\x30\x00", Revoked(0, RevocationReason.SUPERSEDED)),
        next_update_us=int(datetime(2051, 1, 1, tzinfo=UTC).timestamp()) * SECOND_US,
    )
    for text in (b"19700101000000Z", b"20261123120000Z", b"20510101000000Z"):
        assert b"\x18\x0f" + text in octets


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303
@pytest.mark.parametrize("revoked", [False, True])
def test_the_encoding_equals_the_builders(algorithm, revoked):
    status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    built = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=LEAF.certificate,
            issuer=CA.certificate,
            algorithm=algorithm,
            cert_status=status,
            this_update=NOW,
            next_update=NOW + timedelta(hours=1),
            revocation_time=NOW - timedelta(minutes=1) if revoked else None,
            revocation_reason=x509.ReasonFlags.superseded if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, SIGNER.certificate)
        .certificates([SIGNER.certificate])
        .add_extension(x509.OCSPNonce(b"n" * 32), critical=False)
        .sign(SIGNER.key, hashes.SHA256())
    )
    cert_id = ISSUER.cert_ids("41")[0 if isinstance(algorithm, hashes.SHA1) else 2]
    standing: CertificateStanding = Standing.GOOD
    if revoked:
        standing = Revoked(NOW_US - 60 * SECOND_US, RevocationReason.SUPERSEDED)
    produced = int(built.produced_at_utc.timestamp()) * SECOND_US
    ours = data((cert_id, standing), produced_us=produced, nonce=b"n" * 32)
    # The builder takes producedAt from the clock; thisUpdate of ours is the same moment.
    clock = built.produced_at_utc.strftime("%Y%m%d%H%M%SZ").encode()
    theirs = built.tbs_response_bytes.replace(
        b"\x18\x0f20261123120000Z\xa0", b"\x18\x0f" + clock + b"\xa0"
    )
    assert ours == theirs


STANDINGS = st.one_of(
    st.sampled_from(Standing),
    st.builds(Revoked, st.integers(0, 1 << 52), st.sampled_from(RevocationReason)),
)


@given(
    answers=st.lists(st.tuples(st.integers(0, (1 << 159) - 1), STANDINGS), min_size=1, max_size=5),
    nonce=st.none() | st.binary(min_size=1, max_size=128),
)
def test_what_is_written_is_read_again(answers, nonce):
    octets = data(
        *((ISSUER.cert_ids(f"{serial:x}")[0], standing) for serial, standing in answers),
        nonce=nonce,
    )
    response = sealed(octets)
    assert response.tbs_response_bytes == octets
    for single, (serial, standing) in zip(response.responses, answers, strict=True):
        assert single.serial_number == serial
        if isinstance(standing, Revoked):
            assert single.revocation_time_utc is not None
            assert int(single.revocation_time_utc.timestamp()) == standing.revoked_us // SECOND_US
        else:
            assert single.certificate_status.name == standing.name
    found = [each.value for each in response.extensions]
    assert found == ([] if nonce is None else [x509.OCSPNonce(nonce)])
