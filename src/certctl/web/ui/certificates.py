"""``/certificates``: find them, read one, revoke it (operator §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from certctl.domain.api_keys import Visible
from certctl.domain.certificates import CertificateRecord
from certctl.domain.clock import DAY_US
from certctl.domain.errors import NotFound
from certctl.domain.inventory import (
    CertificateFilter,
    CertificateSummary,
    CursorRefused,
    InventoryPage,
    NameMatch,
    WantedStatus,
)
from certctl.domain.ports import Records
from certctl.domain.renewal_history import renewal_history
from certctl.domain.revocation import RevocationReason
from certctl.web.answers import Answer
from certctl.web.api import certificates as api
from certctl.web.api.audit import event_out
from certctl.web.api.certificate_view import pem
from certctl.web.api.problems import ApiRefused
from certctl.web.ui.activity import Row, row_of
from certctl.web.ui.decoded import Field, certificate_fields, request_fields
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Visit, see

PER_PAGE = 50
MOST_EVENTS = 200

# Removed from a CRL is no reason to give; a CA's compromise is none of a device's.
REASONS = tuple(each.value for each in RevocationReason)


class By(NamedTuple):
    id: str
    title: str


BY = (
    By("cn", "Common name"),
    By("san", "Alternative name"),
    By("principal", "Principal"),
    By("serial", "Serial number"),
    By("fingerprint", "SHA-256 fingerprint"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that is on record about one certificate."""

    record: CertificateRecord
    summary: CertificateSummary
    fields: list[Field]
    request: list[Field]
    chain: list[list[Field]]
    history: list[CertificateSummary]
    trail: list[Row]
    released_us: int | None


async def listing(visit: Visit) -> Answer:
    now_us = visit.services.clock()
    visible = visit.ask.caller.visible
    kept = {name: visit.query.get(name) for name in ("text", "by", "profile", "status", "expires")}
    wanted = _filter(kept, visible, now_us)

    def question(records: Records) -> InventoryPage:
        try:
            return records.search(wanted, now_us, limit=PER_PAGE, cursor=visit.query.get("cursor"))
        except CursorRefused as err:
            raise ApiRefused(
                422, "This page of the list is not there any more.", remedy="Search again."
            ) from err

    page = await visit.services.read(question)
    rows = [each for each in page.rows if visible.covers(tenant=each.tenant, profile=each.profile)]
    return visit.page(
        "certificates.html",
        rows=rows,
        now_us=now_us,
        next_cursor=page.cursor,
        kept=kept,
        by=BY,
        statuses=[each.value for each in WantedStatus],
        profiles=[each.profile.path_id for each in visit.services.profiles],
    )


async def show(visit: Visit) -> Answer:
    known = await visit.services.read(partial(_known, visit))
    return visit.page("certificate.html", known=known, now_us=visit.services.clock())


async def chain_file(visit: Visit) -> Answer:
    """The certificate and its CA's as a file."""
    record = await visit.services.read(
        partial(_record, visit.names["certificate"], visit.ask.caller.visible)
    )
    body = pem([record.der, *visit.services.chains.get(record.issuer_id, ())])
    name = f'attachment; filename="{record.serial}.pem"'
    headers = (
        (b"Content-Type", b"application/pem-certificate-chain"),
        (b"Content-Disposition", name.encode()),
    )
    return Answer(status=200, headers=headers, body=body.encode())


async def revoke_dialog(visit: Visit) -> Answer:
    record = await visit.services.read(
        partial(_record, visit.names["certificate"], visit.ask.caller.visible)
    )
    return visit.page("revoke.html", record=record, reasons=REASONS)


async def revoke(visit: Visit) -> Answer:
    body = filled(api.Revoke, {"reason": visit.form.get("reason")})
    certificate_id = visit.names["certificate"]
    await api.revoke(certificate_id, body, visit.ask)
    place = f"/certificates/{certificate_id}"
    if visit.fragment:
        return Answer(status=204, headers=((b"HX-Redirect", place.encode()),))
    return see(place)


def _filter(kept: Mapping[str, str | None], visible: Visible, now_us: int) -> CertificateFilter:
    text = (kept["text"] or "").strip()
    by = kept["by"] or "cn"
    prefix = NameMatch(text=text.removesuffix("*"), prefix=True) if text else None
    profile = kept["profile"]
    if profile is None and len(visible.profiles) == 1:
        profile = visible.profiles[0]
    days = kept["expires"]
    if days and not (days.isdigit() and len(days) <= 4):
        raise ApiRefused(422, "The number of days cannot be used.")
    status = kept["status"] or (WantedStatus.VALID.value if days else None)
    try:
        return CertificateFilter(
            cn=prefix if by == "cn" else None,
            san=_san(text) if by == "san" else None,
            principal=prefix if by == "principal" else None,
            serial=_hexadecimal(text) if by == "serial" and text else None,
            fingerprint=bytes.fromhex(_hexadecimal(text)) if by == "fingerprint" and text else None,
            profile=None if profile in (None, "") else _path_id(profile),
            status=WantedStatus(status) if status else None,
            expires_before_us=now_us + int(days) * DAY_US if days else None,
            tenant=visible.tenant,
        )
    except ValueError:
        raise ApiRefused(
            422,
            "This cannot be searched for.",
            rule="A fingerprint is 64 hexadecimal characters, a serial number hexadecimal.",
            remedy="Go back and mend it.",
        ) from None


def _san(text: str) -> NameMatch | None:
    if not text:
        return None
    match = NameMatch.parse_san(text.removesuffix("*"))
    return NameMatch(text=match.text, prefix=True)


def _path_id(profile: str) -> str:
    return "" if profile == "(legacy root)" else profile


def _hexadecimal(text: str) -> str:
    return text.replace(":", "").replace(" ", "").lower()


def _record(certificate_id: str, visible: Visible, records: Records) -> CertificateRecord:
    row = records.certificate(certificate_id)
    if row is None or not visible.covers(tenant=row.tenant, profile=row.profile):
        raise NotFound(f"certificate {certificate_id}")
    return row


def _known(visit: Visit, records: Records) -> Known:
    visible = visit.ask.caller.visible
    record = _record(visit.names["certificate"], visible, records)
    history = [
        each
        for each in renewal_history(records, record)
        if visible.covers(tenant=each.tenant, profile=each.profile)
    ]
    return Known(
        record=record,
        summary=records.summaries([record.id])[record.id],
        fields=certificate_fields(record.der),
        request=request_fields(record.csr_der),
        chain=[
            certificate_fields(each) for each in visit.services.chains.get(record.issuer_id, ())
        ],
        history=history,
        trail=[
            row_of(event_out(each)) for each in records.events_about(record.id, limit=MOST_EVENTS)
        ],
        released_us=records.released_us(record.id),
    )
