"""Subject alternative names (RFC 5280 §4.2.1.6): the value, equality, and its rules.

A type that policy does not know is kept under its own kind, so that it is refused by
type and never slips through as something else. ``wire.general_names`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import StrEnum

from msgspec import Struct

from certctl.domain.errors import PolicyViolation
from certctl.domain.plain_text import check_text, shown


class SanKind(StrEnum):
    """The kinds of GeneralName; the first five can be allowed by a profile."""

    DNS = "dns"
    IP = "ip"
    EMAIL = "email"
    URI = "uri"
    UPN = "upn"
    OTHER_NAME = "otherName"
    HARDWARE_MODULE = "hardwareModuleName"
    X400_ADDRESS = "x400Address"
    DIRECTORY_NAME = "directoryName"
    EDI_PARTY_NAME = "ediPartyName"
    REGISTERED_ID = "registeredID"


ALLOWABLE_KINDS = (SanKind.DNS, SanKind.IP, SanKind.EMAIL, SanKind.URI, SanKind.UPN)
"""Kinds that a certificate profile can allow."""

MAX_DNS_NAME = 253
MAX_DNS_LABEL = 63
MAX_EMAIL = 254
"""RFC 5321 §4.5.3.1.3 less the angle brackets."""
MAX_LOCAL_PART = 64
MAX_URI = 1024
MAX_UPN = 256

# RFC 5322 atext and the dot; quoted local parts are no device's address.
_LOCAL_PART = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~."
)
# RFC 3986 §2: unreserved, reserved and the percent sign.
_URI = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%"
)
_SCHEME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


class GeneralName(Struct, frozen=True, kw_only=True):
    """One name. ``value`` is its text: an IP address in its usual form, the hexadecimal
    DER of a kind that is not text.
    """

    kind: SanKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{shown(self.value)}"


def same_sans(one: Sequence[GeneralName], other: Sequence[GeneralName]) -> bool:
    """Equality for renewals (policy §5): the same set, exact text, any order."""
    return set(one) == set(other)


def check_sans(
    sans: Sequence[GeneralName],
    *,
    allowed: Collection[str],
    most: int,
    wildcards: Callable[[GeneralName], bool] = lambda _: False,
) -> None:
    """The number, the kind and the form of each name (policy §1, §2).

    ``wildcards`` says which DNS names may have the asterisk as their first label.

    Raises:
        PolicyViolation: ``san`` for number, kind and syntax, ``name`` for a name that
            deceives: wildcard, control, bidirectional, zero-width, mixed scripts.
    """
    if len(sans) > most:
        raise PolicyViolation("san", wanted=f"at most {most} names", got=f"{len(sans)} names")
    for name in sans:
        if name.kind not in allowed:
            raise PolicyViolation("san", wanted=", ".join(allowed) or "no names", got=str(name))
        match name.kind:
            case SanKind.DNS:
                wild = name.value.startswith("*.") and wildcards(name)
                _check_dns(name.value[2:] if wild else name.value)
            case SanKind.EMAIL:
                _check_email(name.value)
            case SanKind.URI:
                _check_uri(name.value)
            case SanKind.UPN:
                _check_upn(name.value)
            case SanKind.IP:
                pass  # four or sixteen octets: reading it was the check
            case _:
                # Allowed by mistake is still not understood.
                raise PolicyViolation("san", wanted="a kind that is understood", got=str(name))


def is_dns_name(text: str) -> bool:
    """A DNS name in the form that a SAN may have; no wildcard."""
    try:
        _check_dns(text)
    except PolicyViolation:
        return False
    return True


def _check_dns(name: str) -> None:
    """RFC 5280 §4.2.1.6: preferred name syntax (RFC 1034 §3.5), no wildcard."""
    if "*" in name:
        raise PolicyViolation("name", wanted="no wildcard", got=f"dns:{shown(name)}")
    check_text(name, of="dns")
    if not 0 < len(name) <= MAX_DNS_NAME:
        raise _malformed("dns", name, f"1 to {MAX_DNS_NAME} characters")
    for label in name.split("."):
        # isalnum() knows other alphabets too; GeneralNames are ASCII by their decoder.
        if not (
            label.replace("-", "").isalnum()
            and label.isascii()
            and len(label) <= MAX_DNS_LABEL
            and label[0] != "-"
            and label[-1] != "-"
        ):
            raise _malformed("dns", name, "letters, digits and inner hyphens in each label")
        if label[:4].lower() == "xn--":
            _check_international(name, label[4:])


def _check_international(name: str, encoded: str) -> None:
    """RFC 5890 A-labels: what a reader will see must not deceive either."""
    try:
        text = encoded.encode("ascii").decode("punycode")
    except UnicodeError as err:
        raise _malformed("dns", name, "valid punycode after xn--") from err
    check_text(text, of="dns")


def _check_email(address: str) -> None:
    check_text(address, of="email")
    local, at, host = address.rpartition("@")
    if not (
        at
        and len(address) <= MAX_EMAIL
        and 0 < len(local) <= MAX_LOCAL_PART
        and _LOCAL_PART.issuperset(local)
        and not local.startswith(".")
        and not local.endswith(".")
        and ".." not in local
    ):
        raise _malformed("email", address, "an address like name@host (RFC 5321)")
    _check_dns(host)


def _check_uri(uri: str) -> None:
    """RFC 5280 §4.2.1.6: absolute, with a scheme and something after it."""
    check_text(uri, of="uri")
    scheme, colon, rest = uri.partition(":")
    if not (
        colon
        and rest
        and len(uri) <= MAX_URI
        and scheme[:1].isalpha()
        and _SCHEME.issuperset(scheme)
        and _URI.issuperset(rest)
    ):
        raise _malformed("uri", uri, f"an absolute ASCII URI of at most {MAX_URI} characters")


def _check_upn(name: str) -> None:
    check_text(name, of="upn")
    user, at, realm = name.rpartition("@")
    if not (at and user and realm and len(name) <= MAX_UPN):
        raise _malformed("upn", name, f"user@realm of at most {MAX_UPN} characters")


def _malformed(kind: str, value: str, wanted: str) -> PolicyViolation:
    return PolicyViolation("san", wanted=wanted, got=f"{kind}:{shown(value)}")
