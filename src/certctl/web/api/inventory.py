"""``GET /certificates``: the inventory by every filter it can be searched by (records §3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field, StringConstraints

from certctl.domain.api_keys import Role, Visible
from certctl.domain.certificates import CertificateSource
from certctl.domain.inventory import (
    CertificateFilter,
    CertificateSummary,
    CursorRefused,
    NameMatch,
    WantedStatus,
)
from certctl.domain.ports import Records
from certctl.web.api.certificate_view import CertificateOut, shown
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import (
    MOST_PER_PAGE,
    Listing,
    Moment,
    ShortText,
    Strict,
    microseconds,
)
from certctl.web.api.problems import ApiRefused
from certctl.web.api.services import Ask

MOST_SKIPPED = 10_000
"""Rows before a page that is asked for by number: all of them are read."""

MOST_STEPS = 40
"""Steps of bounded work for one answer; what they do not fill is the next page's."""

HEX_DIGITS = r"^[0-9A-Fa-f:]{1,80}$"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,2048}$")]

_NAME = "In any case; with a * at the end, names that begin so."


class InventoryQuery(Strict):
    """All that is given must hold; times are from (included) to before (excluded)."""

    cursor: Cursor | None = Field(default=None, description="Good for the same filters alone.")
    page: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SKIPPED,
        description=f"From 1, up to {MOST_SKIPPED:,} rows in; does not count beside cursor.",
    )
    per_page: int = Field(default=50, ge=1, le=MOST_PER_PAGE)
    oldest_first: bool = Field(default=False, description="By issuance; else newest first.")
    cn: ShortText | None = Field(default=None, description=_NAME)
    san: ShortText | None = Field(
        default=None, description=f"Its kind may stand before it, dns:NAME. {_NAME}"
    )
    principal: ShortText | None = Field(
        default=None, description="Exactly; with a * at the end, names that begin so."
    )
    serial: str | None = Field(default=None, pattern=HEX_DIGITS, description="Hexadecimal.")
    fingerprint: Digest | None = Field(default=None, description="SHA-256, hexadecimal.")
    spki_sha256: Digest | None = Field(default=None, description="Of its public key.")
    profile: ShortText | None = Field(default=None, description="Path ID; empty: legacy root.")
    certificate_profile: ShortText | None = None
    issuer_id: ShortText | None = None
    status: WantedStatus | None = Field(
        default=None, description="revoked holds those on hold, too."
    )
    expires_from: Moment | None = None
    expires_before: Moment | None = None
    issued_from: Moment | None = None
    issued_before: Moment | None = None
    source: CertificateSource | None = None
    tenant: ShortText | None = None

    def wanted(self) -> CertificateFilter:
        return CertificateFilter(
            cn=NameMatch.parse(self.cn) if self.cn is not None else None,
            san=NameMatch.parse_san(self.san) if self.san is not None else None,
            principal=NameMatch.parse(self.principal) if self.principal is not None else None,
            serial=self.serial.replace(":", "") if self.serial is not None else None,
            fingerprint=bytes.fromhex(self.fingerprint) if self.fingerprint else None,
            spki_sha256=bytes.fromhex(self.spki_sha256) if self.spki_sha256 else None,
            profile=self.profile,
            certificate_profile=self.certificate_profile,
            issuer_id=self.issuer_id,
            status=self.status,
            source=self.source,
            tenant=self.tenant,
            expires_from_us=_us(self.expires_from),
            expires_before_us=_us(self.expires_before),
            issued_from_us=_us(self.issued_from),
            issued_before_us=_us(self.issued_before),
        )


def _us(given: datetime | None) -> int | None:
    return None if given is None else microseconds(given)


async def list_certificates(
    query: Annotated[InventoryQuery, Query()], ask: Ask
) -> Listing[CertificateOut]:
    """Certificates, newest first; by name where a name ends in *, by expiry where a range
    of it or status expired is asked for.

    A page may hold fewer rows than asked, even none, and still have a next one: the work
    for each is bounded. ``total`` is given without filters, and where the page is the whole
    list; else it is null.
    """
    now_us = ask.services.clock()
    wanted = within(query.wanted(), ask.caller.visible)
    if wanted is None:
        return Listing(data=[], total=0, next_cursor=None)
    skip = (query.page - 1) * query.per_page if query.page and query.cursor is None else 0
    too_far = ApiRefused(
        422,
        "This page is too far in.",
        error="page_too_far",
        remedy=f"Go on by cursor beyond {MOST_SKIPPED:,} rows, or ask for less.",
    )
    if skip > MOST_SKIPPED:
        raise too_far

    def question(records: Records) -> Listing[CertificateOut]:
        search = _Search(records, wanted, now_us, oldest_first=query.oldest_first)
        before, cursor = search.rows(skip, None) if skip else ([], query.cursor)
        past_the_end = bool(skip) and cursor is None
        if not past_the_end and len(before) < skip:
            raise too_far
        rows, cursor = ([], None) if past_the_end else search.rows(query.per_page, cursor)
        total = None
        if query.wanted() == CertificateFilter():
            total = records.certificate_total(ask.caller.visible)
        elif cursor is None and query.cursor is None and not skip:
            total = len(rows)
        data = [shown(row, now_us) for row in rows]
        return Listing(data=data, total=total, next_cursor=cursor)

    try:
        return await ask.services.read(question)
    except CursorRefused:
        raise ApiRefused(
            422,
            "This cursor is of another list.",
            error="cursor_refused",
            remedy="Send it with the filters, order and key of the page that it came with.",
        ) from None


def within(wanted: CertificateFilter, visible: Visible) -> CertificateFilter | None:
    """What a key may see of what it asks for; None: nothing at all."""
    if visible.tenant is not None and wanted.tenant not in {None, visible.tenant}:
        return None
    return replace(
        wanted,
        tenant=visible.tenant if visible.tenant is not None else wanted.tenant,
        profiles=visible.profiles,
    )


class _Search:
    """One list; walks it in steps of bounded work."""

    def __init__(
        self, records: Records, wanted: CertificateFilter, now_us: int, *, oldest_first: bool
    ) -> None:
        self._records = records
        self._wanted = wanted
        self._now_us = now_us
        self._oldest_first = oldest_first

    def rows(self, most: int, cursor: str | None) -> tuple[list[CertificateSummary], str | None]:
        """The next rows after a cursor, and the cursor behind them.

        Raises:
            CursorRefused: it is of another list.
        """
        found: list[CertificateSummary] = []
        for _ in range(MOST_STEPS):
            page = self._records.search(
                self._wanted,
                self._now_us,
                limit=min(most - len(found), MOST_PER_PAGE),
                cursor=cursor,
                oldest_first=self._oldest_first,
            )
            found += page.rows
            cursor = page.cursor
            if cursor is None or len(found) == most:
                break
        return found, cursor


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/certificates",
        handler=list_certificates,
        summary="Certificates on record, by every filter",
        role=Role.VIEWER,
        answer=Listing[CertificateOut],
        tag="certificates",
    ),
)
