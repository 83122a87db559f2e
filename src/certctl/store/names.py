"""The names a certificate is searched by, as its rows in ``certificate_names``."""

from __future__ import annotations

from typing import Protocol

from certctl.domain.errors import RequestMalformed
from certctl.domain.inventory import (
    CertificateFilter,
    CertificateSummary,
    NameMatch,
    admits,
    san_value,
    search_key,
)
from certctl.domain.names import COMMON_NAME
from certctl.wire.names import decode_name

CN, SAN, PRINCIPAL = 1, 2, 4
"""Bits of ``certificate_names.kinds``: one name may be all of them, and is one row."""


class Named(Protocol):
    """What has names: a record, or its summary."""

    @property
    def subject_der(self) -> bytes: ...
    @property
    def sans(self) -> tuple[str, ...]: ...
    @property
    def principal(self) -> str: ...


def names_of(named: Named) -> dict[bytes, int]:
    """Kinds by ``search_key``."""
    kinds: dict[bytes, int] = {}
    for kind, names in (
        (CN, common_names(named.subject_der)),
        (SAN, map(san_value, named.sans)),
        (PRINCIPAL, (named.principal,)),
    ):
        for name in names:
            if key := search_key(name):
                kinds[key] = kinds.get(key, 0) | kind
    return kinds


def common_names(subject_der: bytes) -> tuple[str, ...]:
    """All CNs; none of what is no name."""
    try:
        return decode_name(subject_der).values(COMMON_NAME)
    except RequestMalformed:
        return ()


def is_wanted(wanted: CertificateFilter, found: CertificateSummary, now_us: int) -> bool:
    """Whether a certificate passes every filter."""
    if not admits(wanted, found, now_us):
        return False
    cn, san = wanted.cn, wanted.san
    return (
        cn is None or any(cn.admits(search_key(each)) for each in common_names(found.subject_der))
    ) and (san is None or any(san.admits(search_key(san_value(each))) for each in found.sans))


def first_name(wanted: CertificateFilter, named: Named) -> bytes:
    """Where a certificate stands in a list by name: the least of its names that were asked
    for. Only of a filter with a prefix.
    """
    kind, match = next(asked for asked in names_asked(wanted) if asked[1].prefix)
    names = names_of(named).items()
    return min((key for key, of in names if of & kind and match.admits(key)), default=b"")


def names_asked(wanted: CertificateFilter) -> list[tuple[int, NameMatch]]:
    """Each name of a filter with the bit of its kind."""
    asked = ((CN, wanted.cn), (SAN, wanted.san), (PRINCIPAL, wanted.principal))
    return [(kind, match) for kind, match in asked if match is not None]
