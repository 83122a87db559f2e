"""The request as the gates see it, and the reading of its body (est §5).

Authentication comes before ``read_csr``: nobody unauthenticated gets our parsers.
"""

from __future__ import annotations

from msgspec import Struct

from certctl.domain.connection import TLSInfo
from certctl.domain.csr import Csr
from certctl.domain.profiles import EstProfile, Operation, Route
from certctl.domain.rules import Judge, Rule, strict
from certctl.wire.body import decode_body
from certctl.wire.pkcs10 import decode_pkcs10, verify_signature


class EstRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request to an EST operation, routed and size-checked.

    Attributes:
        source: the client's address as text.
        authorization: value of the Authorization header, if one was sent.
        body: as received, transfer coding removed.
    """

    request_id: str
    profile: EstProfile
    route: Route
    operation: Operation
    tls: TLSInfo
    source: str
    authorization: str | None
    body: bytes


def read_csr(body: bytes, judge: Judge = strict) -> Csr:
    """Body → CSR whose signature proves possession of its key.

    Raises:
        RequestMalformed: not one PKCS#10 request in base64, PEM or DER.
        SignatureWrong: the self-signature does not hold.
        PolicyViolation: a key algorithm we cannot verify.
    """
    csr = decode_pkcs10(decode_body(body))
    with judge(Rule.SIGNATURE):
        verify_signature(csr)
    return csr
