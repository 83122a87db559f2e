"""The common name as a SAN, for clients that write no SAN (``cn_as_san``, policy §1).

Only a CN that reads as a DNS name, an address or a mailbox is copied, and only where
the profile allows that kind; it is then judged like any SAN. A name that is there
already is not doubled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address

from certctl.domain.errors import PolicyViolation
from certctl.domain.names import DistinguishedName
from certctl.domain.san import GeneralName, SanKind, check_sans


def san_of_common_name(
    subject: DistinguishedName, sans: Sequence[GeneralName], allowed: Collection[SanKind]
) -> GeneralName | None:
    """The SAN to be added to ``sans``, or None where there is nothing to add."""
    text = subject.common_name()
    if not text or not text.isascii():
        return None
    name = _read(text)
    if name.kind not in allowed or any(_same(name, each) for each in sans):
        return None
    try:
        check_sans((name,), allowed=(name.kind,), most=1)
    except PolicyViolation:
        return None
    return name


def _read(text: str) -> GeneralName:
    try:
        return GeneralName(kind=SanKind.IP, value=str(ip_address(text)))
    except ValueError:
        kind = SanKind.EMAIL if "@" in text else SanKind.DNS
        return GeneralName(kind=kind, value=text)


def _same(one: GeneralName, other: GeneralName) -> bool:
    return one.kind is other.kind and one.value.lower() == other.value.lower()
