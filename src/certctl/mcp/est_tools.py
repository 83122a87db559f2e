"""The tools that speak EST (RFC 7030), as a device or its installer would."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.mcp.arguments import Enroll, OfProfile, Reenroll
from certctl.mcp.backend import Backend, EstAnswer, EstAsk, ToolFailure
from certctl.mcp.certificates import certificate_out, certificates_of, own_first
from certctl.mcp.results import CaCerts, CsrAttrs, Enrolled
from certctl.mcp.tool import Tool
from certctl.mcp.untrusted import untrusted
from certctl.wire.csrattrs_reader import decode_csrattrs, described
from certctl.wire.der import DerError

PENDING = 202


async def cacerts(backend: Backend, asked: OfProfile) -> CaCerts:
    answer = await backend.est(EstAsk(operation="cacerts", profile=asked.profile))
    return CaCerts(
        profile=asked.profile,
        pkcs7=base64.b64encode(answer.octets).decode(),
        certificates=[certificate_out(each) for each in certificates_of(answer)],
    )


async def csrattrs(backend: Backend, asked: OfProfile) -> CsrAttrs:
    answer = await backend.est(EstAsk(operation="csrattrs", profile=asked.profile))
    der = answer.octets
    try:
        wanted = [untrusted(described(each)) for each in decode_csrattrs(der)] if der else []
    except DerError as err:
        raise ToolFailure(
            "bad_answer",
            "The server's csrattrs cannot be read.",
            remedy="Examine it with est_doctor.",
            request_id=answer.request_id,
        ) from err
    return CsrAttrs(profile=asked.profile, der=base64.b64encode(der).decode(), wanted=wanted)


async def enroll(backend: Backend, asked: Enroll) -> Enrolled:
    csr = await read_csr(backend, asked.csr)
    answer = await backend.est(EstAsk(operation="simpleenroll", profile=asked.profile, csr=csr))
    return _enrolled(answer, asked.profile, csr)


async def reenroll(backend: Backend, asked: Reenroll) -> Enrolled:
    if (asked.cert is None) != (asked.key is None):
        raise ToolFailure("invalid_arguments", "cert and key go together.")
    csr = await read_csr(backend, asked.csr) if asked.csr is not None else None
    answer = await backend.est(
        EstAsk(
            operation="simplereenroll",
            profile=asked.profile,
            csr=csr,
            certificate=Path(asked.cert) if asked.cert is not None else None,
            key=Path(asked.key) if asked.key is not None else None,
        )
    )
    return _enrolled(answer, asked.profile, csr)


async def serverkeygen(_backend: Backend, _asked: Enroll) -> NoReturn:
    raise ToolFailure(
        "not_offered",
        "certctl does not offer serverkeygen: it makes no keys for devices (RFC 7030 §4.4).",
        remedy="Make the key on the device and send a request for it with est_enroll.",
    )


async def read_csr(backend: Backend, text: str) -> bytes:
    """A PKCS#10 request (DER) from PEM, or from the file that is named.

    Raises:
        ToolFailure: neither; what was read is never repeated, it may be anything.
    """
    named = "-----BEGIN" not in text
    data = await backend.file(text.strip()) if named else text.encode()
    try:
        pem = b"-----BEGIN" in data
        csr = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
    except ValueError as err:
        raise ToolFailure(
            "csr_unreadable",
            f"{'The file' if named else 'The text'} holds no PKCS#10 request.",
            remedy="Make one: openssl req -new -key device.key -subj /CN=NAME -out device.csr",
        ) from err
    return csr.public_bytes(Encoding.DER)


def _enrolled(answer: EstAnswer, profile: str, csr: bytes | None) -> Enrolled:
    said = [untrusted(line) for line in answer.said]
    if answer.status == PENDING:
        return Enrolled(
            outcome="pending",
            profile=profile,
            retry_after_seconds=answer.retry_after,
            server_said=said,
            request_id=answer.request_id,
        )
    first, *rest = own_first(certificates_of(answer), csr)
    return Enrolled(
        outcome="issued",
        profile=profile,
        certificate=certificate_out(first),
        chain=[certificate_out(each) for each in rest],
    )


TOOLS = (
    Tool(
        name="est_get_cacerts",
        title="CA certificates",
        description="The CA certificates of an EST profile (RFC 7030 cacerts): base64 PKCS#7,"
        " and each certificate decoded.",
        arguments=OfProfile,
        result=CaCerts,
        run=cacerts,
    ),
    Tool(
        name="est_get_csrattrs",
        title="CSR attributes",
        description="What an EST profile wants in a CSR (RFC 7030 csrattrs): base64 DER, and a"
        " readable list.",
        arguments=OfProfile,
        result=CsrAttrs,
        run=csrattrs,
    ),
    Tool(
        name="est_enroll",
        title="Enroll",
        description="Send a CSR to an EST profile (simpleenroll) and get the certificate, or"
        " `pending` where operators decide first. The same CSR again gives the same"
        " certificate.",
        arguments=Enroll,
        result=Enrolled,
        run=enroll,
        here="`csr` is PEM. An EST name and password come from the header `X-Est-Authorization`.",
        changes=True,
    ),
    Tool(
        name="est_reenroll",
        title="Renew",
        description="Renew a certificate over mutual TLS (simplereenroll on est-mtls): cert and"
        " key are paths of the device's certificate and private key, which prove themselves in"
        " the TLS handshake and go nowhere else.",
        arguments=Reenroll,
        result=Enrolled,
        run=reenroll,
        here="`cert` and `key` are refused, and `csr` is PEM: the certificate that is renewed"
        " is the one that the caller's own TLS connection shows.",
        changes=True,
    ),
    Tool(
        name="est_serverkeygen",
        title="Server-side key generation",
        description="Not offered by certctl; says so. Make the key on the device and use"
        " est_enroll.",
        arguments=Enroll,
        result=None,
        run=serverkeygen,
    ),
)
