"""Certificates of an EST answer, as results show them."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from certctl.mcp.backend import EstAnswer, ToolFailure
from certctl.mcp.results import CertificateOut
from certctl.mcp.untrusted import untrusted
from certctl.wire.unreadable import UNREADABLE, is_for, quiet


def certificates_of(answer: EstAnswer) -> list[x509.Certificate]:
    """The certificates of a certs-only PKCS#7 (RFC 7030 §4.1.3).

    Raises:
        ToolFailure: there are none in it.
    """
    try:
        with quiet():
            found = pkcs7.load_der_pkcs7_certificates(answer.octets)
    except UNREADABLE:
        found = []
    if not found:
        raise ToolFailure(
            "bad_answer",
            "The server's answer holds no certificates.",
            remedy="Examine it with est_doctor.",
            request_id=answer.request_id,
        )
    return found


def certificate_out(certificate: x509.Certificate) -> CertificateOut:
    """One certificate as results show it.

    Raises:
        ToolFailure: its times are none.
    """
    try:
        with quiet():
            return CertificateOut(
                subject=untrusted(_name(certificate, issuer=False)),
                issuer=untrusted(_name(certificate, issuer=True)),
                sans=[untrusted(each) for each in _sans(certificate)],
                serial=f"{certificate.serial_number:x}",
                not_before=certificate.not_valid_before_utc.isoformat(),
                not_after=certificate.not_valid_after_utc.isoformat(),
                sha256=certificate.fingerprint(hashes.SHA256()).hex(),
                pem=certificate.public_bytes(Encoding.PEM).decode(),
            )
    except UNREADABLE as err:
        raise ToolFailure(
            "bad_answer",
            "The server's answer holds a certificate that cannot be read.",
            remedy="Examine it with est_doctor.",
        ) from err


def own_first(found: list[x509.Certificate], csr: bytes | None) -> list[x509.Certificate]:
    """The certificate for the key of the request, then the rest.

    Raises:
        ToolFailure: all of them are for other keys.
    """
    if csr is None:
        return found
    key = x509.load_der_x509_csr(csr).public_key()
    ours = [each for each in found if is_for(each, key)]
    if not ours:
        raise ToolFailure(
            "bad_answer",
            "The certificate that came is for another key than the one in the request.",
            remedy="Do not use it. Ask the server's operator.",
        )
    return ours[:1] + [each for each in found if each is not ours[0]]


def _name(certificate: x509.Certificate, *, issuer: bool) -> str:
    try:
        name = certificate.issuer if issuer else certificate.subject
        return name.rfc4514_string()
    except UNREADABLE:
        return "(a name that cannot be read)"


def _sans(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    return [_general_name(each) for each in found.value]


def _general_name(name: x509.GeneralName) -> str:
    match name:
        case x509.DNSName():
            return f"DNS:{name.value}"
        case x509.IPAddress():
            return f"IP:{name.value}"
        case x509.UniformResourceIdentifier():
            return f"URI:{name.value}"
        case x509.RFC822Name():
            return f"EMAIL:{name.value}"
        case x509.DirectoryName():
            return f"DIRECTORY:{name.value.rfc4514_string()}"
        case _:
            return type(name).__name__
