"""Reading a certificate that was loaded: its fields are read when asked for, and may be bad."""

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


def names_of(leaf: x509.Certificate) -> list[str]:
    """The hosts that a server's certificate is for: names and addresses of its SANs."""
    try:
        sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    names = sans.get_values_for_type(x509.DNSName)
    return [*names, *map(str, sans.get_values_for_type(x509.IPAddress))]
