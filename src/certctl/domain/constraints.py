"""Name constraints of a certificate profile and the subjects it permits (policy §1).

The subtrees are read as RFC 5280 §4.2.1.10 reads those of a CA, though they are applied
here, before signing, and never written into a certificate. A common name that is a DNS
name and an emailAddress in the subject are judged like the SANs: relying parties read
names from there too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from certctl.domain.errors import PolicyViolation
from certctl.domain.names import (
    COMMON_NAME,
    EMAIL_ADDRESS,
    DistinguishedName,
    begins_with,
)
from certctl.domain.plain_text import shown
from certctl.domain.san import GeneralName, SanKind, is_dns_name

_DOTS = 3
"""Of an IPv4 address in its only form here."""

CONSTRAINED_KINDS = (SanKind.DNS, SanKind.IP, SanKind.EMAIL, SanKind.URI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtree:
    """One subtree, written ``dns:example.com``, ``ip:192.0.2.0/24``, ``email:example.com``.

    DNS: the name and all below it. Email: one mailbox, one host, or ``.domain`` for all
    hosts below it. URI: one host, or ``.domain``. IP: a network in CIDR notation.
    """

    kind: SanKind
    base: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.base}"

    def network(self) -> IPv4Network | IPv6Network:
        """Of an ``ip`` subtree.

        Raises:
            ValueError: not in CIDR notation, or with host bits set.
        """
        return ip_network(self.base)

    def holds(self, name: GeneralName) -> bool:
        """Whether a name of this kind lies within."""
        value, base = name.value.lower(), self.base.lower()
        match self.kind:
            case SanKind.DNS:
                return value == base or value.endswith("." + base)
            case SanKind.IP:
                address = ip_address(name.value)
                mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
                network = self.network()
                # ``in`` is False between versions; a mapped address is the IPv4 one too.
                return address in network or (mapped is not None and mapped in network)
            case SanKind.EMAIL:
                return value == base if "@" in base else _host_fits(value.rpartition("@")[2], base)
            case _:
                return _host_fits(_host_of(value), base)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameConstraints:
    """A name must lie in a permitted subtree of its kind, where there is one, and in no
    excluded one; exclusion wins.
    """

    permitted: tuple[Subtree, ...] = ()
    excluded: tuple[Subtree, ...] = ()


NO_CONSTRAINTS = NameConstraints()


def check_constraints(
    subject: DistinguishedName, sans: Sequence[GeneralName], constraints: NameConstraints
) -> None:
    """Judge all names that may stand for an identity.

    Raises:
        PolicyViolation: ``name``.
    """
    if not constraints.permitted and not constraints.excluded:
        return
    # A common name mostly stands among the SANs, and is judged there.
    named = [name for name in _names_in(subject) if name not in sans]
    for name in (*sans, *named):
        excluded = [subtree for subtree in constraints.excluded if subtree.kind is name.kind]
        permitted = [subtree for subtree in constraints.permitted if subtree.kind is name.kind]
        if (excluded or permitted) and name.kind is SanKind.URI and not _host_of(name.value):
            # RFC 5280 §4.2.1.10: what cannot be judged must not pass.
            raise PolicyViolation("name", wanted="a URI with a host", got=str(name))
        for subtree in excluded:
            if subtree.holds(name):
                raise PolicyViolation("name", wanted=f"no name in {subtree}", got=str(name))
        if permitted and not any(subtree.holds(name) for subtree in permitted):
            raise PolicyViolation(
                "name", wanted="a name in " + ", ".join(map(str, permitted)), got=str(name)
            )


def check_bases(subject: DistinguishedName, bases: Sequence[DistinguishedName]) -> None:
    """The subject begins with the RDNs of one of ``bases``, most general first.

    Raises:
        PolicyViolation: ``subject``.
    """
    if bases and not any(begins_with(subject, base) for base in bases):
        raise PolicyViolation(
            "subject",
            wanted="a subject under " + " or ".join(base.text() for base in bases),
            got=shown(subject.text()) or "an empty subject",
        )


def _names_in(subject: DistinguishedName) -> Iterator[GeneralName]:
    for rdn in subject.rdns:
        for attribute in rdn:
            if attribute.oid == COMMON_NAME:
                if _is_address(attribute.text):
                    yield GeneralName(kind=SanKind.IP, value=attribute.text)
                elif "." in attribute.text and is_dns_name(attribute.text):
                    yield GeneralName(kind=SanKind.DNS, value=attribute.text)
            elif attribute.oid == EMAIL_ADDRESS:
                yield GeneralName(kind=SanKind.EMAIL, value=attribute.text)


def _is_address(text: str) -> bool:
    # Most common names are neither, and to be refused by ip_address() is dear.
    if ":" not in text and text.count(".") != _DOTS:
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _host_fits(host: str, base: str) -> bool:
    return host.endswith(base) if base.startswith(".") else host == base


def _host_of(uri: str) -> str:
    """Empty, which lies in no subtree, for a URI without a host or one that is unreadable."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""
