"""Looks at what the server gave out: a fast answer counts only when it is right.

The load generator checks statuses only and does not verify the server's chain.
Here a verified connection is made once per row, and each certificate of the
sample is compared with the CSR that asked for it.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import http.client
import ssl

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from bench.errors import BenchError
from bench.pool import Entry, Sample
from bench.server import Certctl

TIMEOUT_SECONDS = 10


def verified_get(server: Certctl, path: str) -> bytes:
    """GET over a connection whose certificate and host name are verified."""
    context = ssl.create_default_context(cafile=server.ca)
    connection = http.client.HTTPSConnection(
        server.host, server.port, context=context, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as err:
        raise BenchError(f"GET {path} over a verified connection failed: {err}") from err
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise BenchError(f"GET {path} answered {answer.status}: {body[:200]!r}")
    return body


def issued_certificates(
    server: Certctl, entries: list[Entry], samples: list[Sample]
) -> list[x509.Certificate]:
    """The certificates of the samples, in their order, each one checked.

    Raises BenchError for an answer that is no certs-only PKCS#7 of exactly one
    certificate; a certificate for another key, subject or SAN than asked for;
    one not signed by the server's CA or not valid now; a serial given twice.
    """
    if not samples:
        raise BenchError("no certificate was sampled, so nothing is proven")
    authorities = {
        authority.subject: authority
        for authority in x509.load_pem_x509_certificates(server.ca.read_bytes())
    }
    certificates = [_only_certificate(sample) for sample in samples]
    now = dt.datetime.now(dt.UTC)
    for sample, certificate in zip(samples, certificates, strict=True):
        problem = _problem(certificate, entries[sample.number].request(), authorities, now)
        if problem:
            raise BenchError(f"answer {sample.number}: {problem}")
    if len({certificate.serial_number for certificate in certificates}) != len(certificates):
        raise BenchError("two requests got certificates with the same serial number")
    return certificates


def _only_certificate(sample: Sample) -> x509.Certificate:
    try:
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(sample.body))
    except (binascii.Error, ValueError) as err:
        raise BenchError(f"answer {sample.number} is no PKCS#7: {sample.body[:200]!r}") from err
    if len(found) != 1:
        raise BenchError(f"answer {sample.number} holds {len(found)} certificates, not one")
    return found[0]


def _problem(
    certificate: x509.Certificate,
    request: x509.CertificateSigningRequest,
    authorities: dict[x509.Name, x509.Certificate],
    now: dt.datetime,
) -> str | None:
    if _key(certificate) != _key(request):
        return "another key than the CSR's"
    if certificate.subject != request.subject:
        return f"subject {certificate.subject.rfc4514_string()}"
    if _names(certificate) != _names(request):
        return "other subject alternative names than the CSR's"
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return "not valid now"
    if certificate.issuer not in authorities:
        return f"unknown issuer {certificate.issuer.rfc4514_string()}"
    try:
        certificate.verify_directly_issued_by(authorities[certificate.issuer])
    except InvalidSignature:
        return "signature does not verify"
    return None


def _key(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names(holder: x509.Certificate | x509.CertificateSigningRequest) -> x509.GeneralNames:
    extension = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return x509.GeneralNames(extension.value)
