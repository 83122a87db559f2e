"""One certificate: ``/certificates/ID``, its chain, its revocation and a hold's release."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel

from certctl.authority.commands import (
    CertificateReleased,
    ReleaseCertificate,
    RevocationDone,
    RevokeCertificate,
)
from certctl.domain.api_keys import Role, Visible
from certctl.domain.certificates import CertificateRecord
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import Records
from certctl.domain.renewal_history import renewal_history
from certctl.domain.revocation import RevocationReason
from certctl.web.api.certificate_view import CertificateDetail, detailed, pem
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Moment, RecordId, ShortText, Strict, moment
from certctl.web.api.services import Ask

PEM_CHAIN = "application/pem-certificate-chain"


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


class Released(BaseModel):
    id: str
    serial: str
    released_at: Moment


Serial = Annotated[
    str, Path(pattern=r"^[0-9A-Fa-f]{1,40}$", description="Hexadecimal, without colons.")
]


async def show_certificate(certificate_id: RecordId, ask: Ask) -> CertificateDetail:
    """One certificate with its PEM, what it renews and what renews it."""
    now_us = ask.services.clock()
    visible = ask.caller.visible

    def question(records: Records) -> CertificateDetail:
        record = _found(certificate_id, visible, records)
        history = [
            each
            for each in renewal_history(records, record)
            if visible.covers(tenant=each.tenant, profile=each.profile)
        ]
        return detailed(
            record,
            records.summaries([record.id])[record.id],
            history,
            released_us=records.released_us(record.id),
            now_us=now_us,
        )

    return await ask.services.read(question)


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


async def release(certificate_id: RecordId, ask: Ask) -> Released:
    """Take a hold back: the certificate is valid again, at once. 409 if it is not on hold."""
    await ask.services.read(partial(_found, certificate_id, ask.caller.visible))
    command = ReleaseCertificate(certificate_id=certificate_id, actor=ask.caller.actor)
    done = await ask.do(command, CertificateReleased)
    return Released(
        id=done.certificate_id, serial=done.serial, released_at=moment(done.released_us)
    )


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


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/certificates/{certificate_id}",
        handler=show_certificate,
        summary="One certificate",
        role=Role.VIEWER,
        answer=CertificateDetail,
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
        path="/certificates/{certificate_id}/release",
        handler=release,
        summary="Release a certificate from hold",
        role=Role.OPERATOR,
        answer=Released,
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
