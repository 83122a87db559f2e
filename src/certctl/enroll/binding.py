"""Channel binding (est §4; RFC 7030 §3.5, RFC 9266): a CSR made for another TLS
connection is not taken.

A binding is verified whenever one is present. Text that is no binding (people type
things into challengePassword) is left alone.
"""

from __future__ import annotations

import binascii
import hmac
from enum import StrEnum

from certctl.domain.connection import TLSInfo
from certctl.domain.csr import Csr
from certctl.domain.errors import BindingFailure

EXPORTER_OCTETS = 32
TLS_UNIQUE_OCTETS = 12


class Binding(StrEnum):
    """Which channel binding a request was verified with; kept in its record."""

    NONE = "none"
    TLS_EXPORTER = "tls-exporter"


def check_binding(csr: Csr, tls: TLSInfo) -> Binding:
    """Verify every binding the CSR carries against this connection.

    Raises:
        BindingFailure: ``mismatch``, or ``no_exporter`` where this connection has none.
    """
    verified = Binding.NONE
    for _, text in csr.bindings:
        value = _binding_value(text)
        if value is None:
            continue
        if tls.via:
            # It can only be of the client's connection, which ended at the proxy.
            raise BindingFailure("no_exporter")
        if len(value) == TLS_UNIQUE_OCTETS:
            # tls-unique is undefined on TLS 1.3 (RFC 8446 C.5): it can only be of
            # another connection, and the main listener speaks nothing older.
            raise BindingFailure("mismatch")
        if tls.exporter is None:
            raise BindingFailure("no_exporter")
        if not hmac.compare_digest(value, tls.exporter):
            raise BindingFailure("mismatch")
        verified = Binding.TLS_EXPORTER
    return verified


def _binding_value(text: str) -> bytes | None:
    """The octets of a base64 string of 12 or 32 octets; None for any other text."""
    if len(text) not in (16, 44):
        return None
    try:
        value = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return value if len(value) in (TLS_UNIQUE_OCTETS, EXPORTER_OCTETS) else None
