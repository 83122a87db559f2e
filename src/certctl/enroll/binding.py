"""Channel binding (est §4; RFC 7030 §3.5, RFC 9266, RFC 7894): a CSR made for another
TLS connection is not taken.

A binding is verified whenever one is present, each carrier alone; a profile may require
one. Text that is no binding (people type things into challengePassword) is left alone
and never leaves this module.
"""

from __future__ import annotations

import binascii
import hmac
from enum import StrEnum

from msgspec.structs import replace

from certctl.domain.connection import TLSInfo
from certctl.domain.csr import Csr
from certctl.domain.errors import BindingFailure
from certctl.domain.profiles import ChallengePassword, EstProfile
from certctl.wire.attributes import CHALLENGE_PASSWORD

EXPORTER_OCTETS = 32
TLS_UNIQUE_OCTETS = 12


class Binding(StrEnum):
    """Which channel binding a request was verified with; kept in its record.

    ``OTHER_TEXT`` is none either: a challenge attribute was there and held something else.
    """

    NONE = "none"
    OTHER_TEXT = "other-text"
    TLS_EXPORTER = "tls-exporter"
    TLS_UNIQUE = "tls-unique"

    @property
    def binds(self) -> bool:
        """The request is tied to its connection, which must end with it (RFC 9266 §4.1)."""
        return self in (Binding.TLS_EXPORTER, Binding.TLS_UNIQUE)


def check_binding(
    csr: Csr, tls: TLSInfo, *, profile: EstProfile, vouched_for: bool = False
) -> Binding:
    """Verify every binding the CSR carries against this connection.

    ``profile`` gives the rules. ``vouched_for`` says that the caller is a registration
    authority, authorized to enroll for others: the CSR is then of another connection, the
    device's with that authority, which has verified it (RFC 7030 §3.7), and nothing is
    looked at here.

    Raises:
        BindingFailure: ``mismatch``; ``no_exporter`` where a binding is present or
            required and this connection has none; where one is required, ``missing`` or
            ``malformed``.
    """
    if vouched_for:
        return Binding.NONE
    if profile.binding_required and not tls.bindable:
        raise BindingFailure("no_exporter")
    found = Binding.NONE
    for oid, text in csr.bindings:
        is_password = oid == CHALLENGE_PASSWORD
        if is_password and profile.challenge_password is ChallengePassword.IGNORE:
            continue
        value = _binding_value(text)
        if value is not None:
            found = _verified(value, tls)
        elif profile.binding_required and not is_password:
            raise BindingFailure("malformed")  # it has no other meaning than a binding
        elif not found.binds:
            found = Binding.OTHER_TEXT
    if profile.binding_required and not found.binds:
        raise BindingFailure("malformed" if found is Binding.OTHER_TEXT else "missing")
    return found


def claimed_connection(csr: Csr, tls: TLSInfo) -> TLSInfo:
    """The connection that a CSR says it was made for, as far as it says so.

    For explaining a request away from its connection: form, and that all its bindings are
    of one connection, are judged against this; whether it is the right one never is.
    """
    values = [value for _, text in csr.bindings if (value := _binding_value(text)) is not None]
    exporters = [value for value in values if len(value) == EXPORTER_OCTETS]
    finished = [value for value in values if len(value) == TLS_UNIQUE_OCTETS]
    unique = (finished or [bytes(TLS_UNIQUE_OCTETS)])[0]
    return replace(
        tls,
        exporter=(exporters or [bytes(EXPORTER_OCTETS)])[0],
        tls_unique=unique if tls.version == "TLSv1.2" else None,
    )


def _verified(value: bytes, tls: TLSInfo) -> Binding:
    if not tls.bindable:
        raise BindingFailure("no_exporter")
    if len(value) == TLS_UNIQUE_OCTETS:
        # None on TLS 1.3: there it can only be of another connection (RFC 8446 §C.5).
        kind, ours = Binding.TLS_UNIQUE, tls.tls_unique
    else:
        kind, ours = Binding.TLS_EXPORTER, tls.exporter
    if ours is None or not hmac.compare_digest(value, ours):
        raise BindingFailure("mismatch")
    return kind


def _binding_value(text: str) -> bytes | None:
    """The octets of a base64 string of 12 or 32 octets; None for any other text."""
    if len(text) not in (16, 44):
        return None
    try:
        value = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return value if len(value) in (TLS_UNIQUE_OCTETS, EXPORTER_OCTETS) else None
