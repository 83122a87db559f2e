"""Whether a certificate that was loaded can be looked at: fields are read when asked for."""

from __future__ import annotations

from cryptography import x509

from certctl.wire.unreadable import UNREADABLE, quiet


def is_readable(certificate: x509.Certificate) -> bool:
    """Names and times, which every check looks at; a key may be of a kind unknown here."""
    try:
        with quiet():
            certificate.subject.rfc4514_string()
            certificate.issuer.rfc4514_string()
            certificate.not_valid_before_utc.timestamp()
            certificate.not_valid_after_utc.timestamp()
    except UNREADABLE:
        return False
    return True
