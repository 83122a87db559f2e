"""What must hold for any octets that are to be signed as a CRL, or come as an OCSP request.

``cryptography`` reads the same octets as the judge.
"""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.x509 import ocsp

from certctl.domain.clock import SECOND_US
from certctl.domain.errors import OcspRefused
from certctl.domain.ocsp import OcspError
from certctl.wire.crl import seal
from certctl.wire.crl_reader import decode_tbs
from certctl.wire.der import DerError
from certctl.wire.ocsp_request import (
    MAX_NONCE,
    MAX_QUESTIONS,
    decode_request,
    request_of_path,
    serial_of_path,
    standard_cert_id,
)
from tests.fuzz.laws_wire import MAX_NOTE

ISSUER = x509.Name.from_rfc4514_string("CN=CA").public_bytes()
ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")


def crl(data: bytes) -> None:
    """What the CA would sign is a CRL in other eyes, too, down to the last entry."""
    try:
        summary = decode_tbs(data)
    except DerError:
        return
    # Names and algorithms are compared with the CA's own, so others need not be sound.
    if (summary.issuer_der, summary.algorithm_der) != (ISSUER, ALGORITHM):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = x509.load_der_x509_crl(seal(data, algorithm_der=ALGORITHM, signature=b"s"))
        number = library.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        entries = [(each.serial_number, each.revocation_date_utc) for each in library]
        reasons = [list(each.extensions) for each in library]
    assert number == summary.number
    assert int(library.last_update_utc.timestamp()) * SECOND_US == summary.this_update_us
    assert library.next_update_utc is not None
    assert int(library.next_update_utc.timestamp()) * SECOND_US == summary.next_update_us
    assert bool(entries) is summary.has_entries
    assert all(serial >= 0 for serial, _ in entries)
    assert all(len(found) <= 1 for found in reasons)


def ocsp_request(data: bytes) -> None:
    """What is taken for a question is the library's question; the short way is no other."""
    short = standard_cert_id(data)
    try:
        question = decode_request(data)
    except OcspRefused as refused:
        _check_refusal(refused)
        return
    assert 1 <= len(question.cert_ids) <= MAX_QUESTIONS
    assert question.nonce is None or 1 <= len(question.nonce) <= MAX_NONCE
    if short is not None:
        assert [each.der for each in question.cert_ids] == [short]
        assert question.nonce is None
    if len(question.cert_ids) > 1:
        return  # more than the library reads
    try:
        library = ocsp.load_der_ocsp_request(data)
    except ValueError:
        return  # stricter about names and signatures that we step over
    assert f"{library.serial_number:x}" == question.cert_ids[0].serial
    assert library.issuer_name_hash in question.cert_ids[0].der
    assert library.issuer_key_hash in question.cert_ids[0].der


def ocsp_path(data: bytes) -> None:
    serial = serial_of_path(data)
    if serial is not None:
        assert int(serial, 16) == int(data, 16)
    try:
        octets = request_of_path(data)
    except OcspRefused as refused:
        _check_refusal(refused)
        return
    assert serial is None or octets[:1] != b"\x30", "two readings of one path"


def _check_refusal(refusal: OcspRefused) -> None:
    assert refusal.error is OcspError.MALFORMED_REQUEST
    assert len(refusal.note) <= MAX_NOTE
    assert refusal.note.isprintable()
