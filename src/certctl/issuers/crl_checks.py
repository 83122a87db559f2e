"""May this list of revoked certificates be signed? Asked by the CA before its key is used.

The list comes encoded from another process. What it is of, its number and its dates are
read from the very octets to be signed, never taken from whoever sent them (RFC 5280 §5).
"""

from __future__ import annotations

from cryptography import x509

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import CrlRefused
from certctl.wire.cloudevents import rfc3339
from certctl.wire.crl import CrlIssuer
from certctl.wire.crl_reader import CrlSummary

MAX_AGE_US = 3_600 * SECOND_US
"""How long ago thisUpdate may be: time to encode, and room for devices with a late clock."""

MAX_AHEAD_US = 60 * SECOND_US
"""Both processes read one clock, but it may be set back in between."""

MAX_VALIDITY_US = 3_660 * DAY_US
"""The longest ``CRL_VALIDITY``."""


def check_crl(summary: CrlSummary, issuer: CrlIssuer, *, last_number: int, now_us: int) -> None:
    """Compare what was read with whose it must be.

    Raises:
        CrlRefused: ``algorithm``, ``issuer``, ``key_identifier``, ``number`` or ``dates``.
    """
    for reason, wanted, got in (
        ("algorithm", issuer.algorithm_der, summary.algorithm_der),
        ("issuer", issuer.issuer_der, summary.issuer_der),
        ("key_identifier", issuer.key_identifier, summary.key_identifier),
    ):
        if wanted != got:
            raise CrlRefused(reason, wanted=wanted.hex(), got=got.hex())
    _check_number(summary, last_number)
    _check_dates(summary, now_us)


def may_sign_crls(certificate: x509.Certificate) -> bool:
    """Whether a CA certificate lets its key sign CRLs (RFC 5280 §4.2.1.3)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _check_number(summary: CrlSummary, last_number: int) -> None:
    if summary.base_number is None:
        lowest = last_number + 1
    else:
        # RFC 5280 §5.2.3: a delta CRL made together with a full one has its number.
        lowest = last_number
        if summary.base_number >= summary.number:
            raise CrlRefused(
                "number", wanted=f"a base below {summary.number}", got=str(summary.base_number)
            )
    if summary.number < lowest:
        raise CrlRefused("number", wanted=f"at least {lowest}", got=str(summary.number))


def _check_dates(summary: CrlSummary, now_us: int) -> None:
    this_us, next_us = summary.this_update_us, summary.next_update_us
    if not now_us - MAX_AGE_US <= this_us <= now_us + MAX_AHEAD_US:
        raise CrlRefused(
            "dates", wanted=f"thisUpdate close to {rfc3339(now_us)}", got=rfc3339(this_us)
        )
    if not max(this_us, now_us) < next_us <= this_us + MAX_VALIDITY_US:
        raise CrlRefused(
            "dates",
            wanted=f"nextUpdate after {rfc3339(max(this_us, now_us))}, within ten years",
            got=rfc3339(next_us),
        )
