"""The inventory: ``/certificates``, their chains and their revocation."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from certctl.authority.commands import RevocationDone, RevokeCertificate
from certctl.domain.api_keys import Role, Visible
from certctl.domain.certificates import CertificateRecord, CertificateSource, CertificateStatus
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import Records
from certctl.domain.revocation import RevocationReason
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import (
    Listing,
    Moment,
    PageQuery,
    RecordId,
    ShortText,
    Strict,
    moment,
    moment_or_none,
)
from certctl.web.api.services import Ask

PEM_CHAIN = "application/pem-certificate-chain"


class CertificateOut(BaseModel):
    """A certificate on record; ``status`` may be ``expired`` too, which is derived."""

    id: str
    serial: str = Field(description="Lower-case hexadecimal without padding.")
    status: str
    subject: str
    sans: list[str]
    issuer_id: str
    profile: str
    certificate_profile: str
    principal: str
    auth_mode: str
    key_algorithm: str
    spki_sha256: str
    fingerprint: str
    not_before: Moment
    not_after: Moment
    issued_at: Moment
    source: CertificateSource
    source_address: str
    tls_version: str
    channel_binding: str
    renews: str | None
    revoked_at: Moment | None
    revocation_reason: str | None
    tenant: str | None


class CertificateWithPem(CertificateOut):
    pem: str


class Revoke(Strict):
    """Why (RFC 5280 §5.3.1)."""

    reason: RevocationReason = RevocationReason.UNSPECIFIED


class RevokeBySerial(Revoke):
    """``issuer_id`` where two issuers gave this number."""

    issuer_id: ShortText | None = None


class Revoked(BaseModel):
    """The revocation that holds: the first one, where it was revoked already."""

    id: str
    serial: str
    revoked_at: Moment
    reason: RevocationReason
    already_revoked: bool


Serial = Annotated[
    str, Path(pattern=r"^[0-9A-Fa-f]{1,40}$", description="Hexadecimal, without colons.")
]


async def list_certificates(
    query: Annotated[PageQuery, Query()], ask: Ask
) -> Listing[CertificateOut]:
    """Certificates in the order in which they were issued."""
    visible = ask.caller.visible
    now_us = ask.services.clock()

    def question(records: Records) -> Listing[CertificateOut]:
        rows = records.certificate_page(visible, query.wanted())
        total = records.certificate_total(visible)
        show = partial(_certificate, now_us=now_us)
        return query.listing(rows, total, show=show, cursor=lambda row: row.id)

    return await ask.services.read(question)


async def show_certificate(certificate_id: RecordId, ask: Ask) -> CertificateWithPem:
    """One certificate, with its PEM."""
    row = await ask.services.read(partial(_found, certificate_id, ask.caller.visible))
    shown = _certificate(row, now_us=ask.services.clock())
    return CertificateWithPem(**dict(shown), pem=pem([row.der]))


async def chain(certificate_id: RecordId, ask: Ask) -> Response:
    """The certificate and those of its CA up to the root, PEM, leaf first."""
    row = await ask.services.read(partial(_found, certificate_id, ask.caller.visible))
    body = pem([row.der, *ask.services.chains.get(row.issuer_id, ())])
    return Response(body, media_type=PEM_CHAIN)


async def revoke(certificate_id: RecordId, body: Revoke, ask: Ask) -> Revoked:
    """Revoke; from now on it renews nothing. What is revoked already stays as it was."""
    await ask.services.read(partial(_found, certificate_id, ask.caller.visible))
    return await _revoke(certificate_id, body.reason, ask)


async def revoke_by_serial(serial: Serial, body: RevokeBySerial, ask: Ask) -> Revoked:
    """Revoke by serial number; the issuer decides where two have given it."""
    visible = ask.caller.visible
    rows = await ask.services.read(lambda records: records.with_serial(serial.lower()))
    found = [
        row
        for row in rows
        if visible.covers(tenant=row.tenant, profile=row.profile)
        and body.issuer_id in (None, row.issuer_id)
    ]
    if not found:
        raise NotFound(f"certificate with serial {serial.lower()}")
    if len(found) > 1:
        issuers = ", ".join(row.issuer_id for row in found)
        raise Conflict(f"the issuers {issuers} all gave this serial: name one as issuer_id")
    return await _revoke(found[0].id, body.reason, ask)


async def _revoke(certificate_id: str, reason: RevocationReason, ask: Ask) -> Revoked:
    command = RevokeCertificate(
        certificate_id=certificate_id, reason=reason, actor=ask.caller.actor
    )
    done = (await ask.do(command, RevocationDone)).revocation
    return Revoked(
        id=done.certificate_id,
        serial=done.serial,
        revoked_at=moment(done.revoked_us),
        reason=done.reason,
        already_revoked=done.already,
    )


def _found(certificate_id: str, visible: Visible, records: Records) -> CertificateRecord:
    row = records.certificate(certificate_id)
    if row is None or not visible.covers(tenant=row.tenant, profile=row.profile):
        raise NotFound(f"certificate {certificate_id}")
    return row


def _certificate(row: CertificateRecord, *, now_us: int) -> CertificateOut:
    expired = row.status is CertificateStatus.VALID and row.not_after_us < now_us
    return CertificateOut(
        id=row.id,
        serial=row.serial,
        status="expired" if expired else row.status.value,
        subject=row.subject,
        sans=list(row.sans),
        issuer_id=row.issuer_id,
        profile=row.profile,
        certificate_profile=row.certificate_profile,
        principal=row.principal,
        auth_mode=row.auth_mode,
        key_algorithm=row.key_algorithm,
        spki_sha256=row.spki_sha256.hex(),
        fingerprint=row.fingerprint.hex(),
        not_before=moment(row.not_before_us),
        not_after=moment(row.not_after_us),
        issued_at=moment(row.issued_us),
        source=row.source,
        source_address=row.source_address,
        tls_version=row.tls_version,
        channel_binding=row.channel_binding,
        renews=row.renews,
        revoked_at=moment_or_none(row.revoked_us),
        revocation_reason=row.revocation_reason,
        tenant=row.tenant,
    )


def pem(ders: Sequence[bytes]) -> str:
    """RFC 7468 §5: base64 in lines of 64."""
    blocks = []
    for der in ders:
        text = b64encode(der).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        blocks += ["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]
    return "\n".join(blocks)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/certificates",
        handler=list_certificates,
        summary="All certificates on record",
        role=Role.VIEWER,
        answer=Listing[CertificateOut],
        tag="certificates",
    ),
    Endpoint(
        method="GET",
        path="/certificates/{certificate_id}",
        handler=show_certificate,
        summary="One certificate",
        role=Role.VIEWER,
        answer=CertificateWithPem,
        tag="certificates",
    ),
    Endpoint(
        method="GET",
        path="/certificates/{certificate_id}/chain.pem",
        handler=chain,
        summary="A certificate with its chain",
        role=Role.VIEWER,
        media_type=PEM_CHAIN,
        tag="certificates",
    ),
    Endpoint(
        method="POST",
        path="/certificates/{certificate_id}/revoke",
        handler=revoke,
        summary="Revoke a certificate",
        role=Role.OPERATOR,
        answer=Revoked,
        example={"reason": "keyCompromise"},
        tag="certificates",
    ),
    Endpoint(
        method="POST",
        path="/certificates/serial/{serial}/revoke",
        handler=revoke_by_serial,
        summary="Revoke a certificate by its serial number",
        role=Role.OPERATOR,
        answer=Revoked,
        example={"reason": "superseded", "issuer_id": "iss-local"},
        tag="certificates",
    ),
)
