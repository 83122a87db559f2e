"""OCSP answers as bytes (RFC 6960 §4.2, RFC 5019 §2.2): what is signed, and what is not.

The responder is named by its key, its certificate travels with each answer, and a nonce
is echoed octet for octet. Decides nothing about certificates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import MappingProxyType

from certctl.domain.clock import SECOND_US
from certctl.domain.ocsp import CertificateStanding, OcspError, Revoked, Standing
from certctl.domain.revocation import RevocationReason
from certctl.wire.certificate import extension, public_key_bits
from certctl.wire.der import BIT_STRING, OCTET_STRING, SEQUENCE, encode, encode_oid
from certctl.wire.ocsp_request import NONCE
from certctl.wire.times import encode_generalized_time

_ENUMERATED = 0x0A

ERRORS = MappingProxyType(
    {
        error: bytes((SEQUENCE, 3, _ENUMERATED, 1, status))
        for error, status in (
            (OcspError.MALFORMED_REQUEST, 1),
            (OcspError.INTERNAL_ERROR, 2),
            (OcspError.TRY_LATER, 3),
            (OcspError.UNAUTHORIZED, 6),
        )
    }
)
"""OCSPResponse (DER) of each error: five octets, never signed (RFC 6960 §2.3)."""

_SUCCESSFUL = bytes((_ENUMERATED, 1, 0))
_BASIC = encode_oid("1.3.6.1.5.5.7.48.1.1")
_BY_KEY = 0xA2
_REVOKED = 0xA1
_TAGGED_0 = 0xA0
_RESPONSE_EXTENSIONS = 0xA1

_FIXED = {Standing.GOOD: b"\x80\x00", Standing.UNKNOWN: b"\x82\x00"}


def responder_name(spki_der: bytes) -> bytes:
    """ResponderID byKey (content): SHA-1 of the key's bits, whatever CertIDs hash with.

    Raises:
        DerError: not a SubjectPublicKeyInfo.
    """
    return hashlib.sha1(public_key_bits(spki_der), usedforsecurity=False).digest()


def encode_response_data(
    answers: Sequence[tuple[bytes, CertificateStanding]],
    *,
    responder: bytes,
    produced_us: int,
    next_update_us: int,
    nonce: bytes | None = None,
) -> bytes:
    """ResponseData (DER): what the responder signs.

    Args:
        answers: CertID (DER) and what is known of the certificate, in order of asking.
        responder: see ``responder_name``.
        produced_us: producedAt and thisUpdate, microseconds since the epoch.
        next_update_us: until when the answer holds.
        nonce: of the request, echoed in the response extensions (RFC 9654 §2.1).
    """
    produced = encode_generalized_time(produced_us // SECOND_US)
    # thisUpdate and nextUpdate of each single response.
    span = produced + encode(_TAGGED_0, encode_generalized_time(next_update_us // SECOND_US))
    singles = [
        encode(SEQUENCE, cert_id, _encode_standing(standing), span) for cert_id, standing in answers
    ]
    echoed = b""
    if nonce is not None:
        nonce_extension = extension(NONCE, encode(OCTET_STRING, nonce))
        echoed = encode(_RESPONSE_EXTENSIONS, encode(SEQUENCE, nonce_extension))
    return encode(
        SEQUENCE,
        encode(_BY_KEY, encode(OCTET_STRING, responder)),
        produced,
        encode(SEQUENCE, *singles),
        echoed,
    )


def seal_response(
    response_data: bytes, *, algorithm_der: bytes, signature: bytes, certificate_der: bytes
) -> bytes:
    """OCSPResponse (DER) of a ResponseData, its signature and the responder's certificate."""
    basic = encode(
        SEQUENCE,
        response_data,
        algorithm_der,
        encode(BIT_STRING, b"\x00", signature),
        encode(_TAGGED_0, encode(SEQUENCE, certificate_der)),
    )
    response_bytes = encode(SEQUENCE, _BASIC, encode(OCTET_STRING, basic))
    return encode(SEQUENCE, _SUCCESSFUL, encode(_TAGGED_0, response_bytes))


def _encode_standing(standing: CertificateStanding) -> bytes:
    if not isinstance(standing, Revoked):
        return _FIXED[standing]
    code = b""
    # As in a CRL, unspecified is said by saying nothing (RFC 5280 §5.3.1).
    if standing.reason is not RevocationReason.UNSPECIFIED:
        code = encode(_TAGGED_0, bytes((_ENUMERATED, 1, standing.reason.code)))
    return encode(_REVOKED, encode_generalized_time(standing.revoked_us // SECOND_US), code)
