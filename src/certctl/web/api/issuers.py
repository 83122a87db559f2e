"""``/issuers``: what signs, and how long it still may. Never a key, path or passphrase."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from cryptography import x509
from fastapi import Path
from pydantic import BaseModel, Field

from certctl.domain.api_keys import Role
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import CrlRecord
from certctl.domain.errors import NotFound
from certctl.domain.ports import Records
from certctl.domain.profiles import EstProfile
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Listing, Moment, microseconds, moment
from certctl.web.api.services import Ask, Services

IssuerId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,63}$")]


class CaCertificate(BaseModel):
    """``days_to_expiry`` is below zero once it has expired; ``serial`` is hexadecimal."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: Moment
    not_after: Moment
    days_to_expiry: int
    expired: bool


class CrlStatus(BaseModel):
    """The newest CRL that was published; ``overdue``: its nextUpdate has passed."""

    number: int
    this_update: Moment
    next_update: Moment
    age_seconds: int
    overdue: bool
    octets: int


class IssuerOut(BaseModel):
    """``days_to_expiry`` is of the first certificate of the chain to expire; null where
    there is no chain. ``crl`` and ``ocsp_responder`` are null where there is none.
    """

    id: str
    type: str
    chain: list[CaCertificate] = Field(description="The certificate that signs first.")
    days_to_expiry: int | None
    crl: CrlStatus | None
    ocsp_responder: CaCertificate | None
    profiles: list[str] = Field(description="Path IDs of the EST profiles that it serves.")


async def list_issuers(ask: Ask) -> Listing[IssuerOut]:
    """Every issuer with its chain and CRL; a key that is held to EST profiles sees theirs."""
    data = await ask.services.read(partial(_issuers, ask))
    return Listing(data=data, total=len(data), next_cursor=None)


async def show_issuer(issuer_id: IssuerId, ask: Ask) -> IssuerOut:
    """One issuer with its chain and CRL."""
    for each in await ask.services.read(partial(_issuers, ask)):
        if each.id == issuer_id:
            return each
    raise NotFound(f"issuer {issuer_id}")


def _issuers(ask: Ask, records: Records) -> list[IssuerOut]:
    """Those that this key sees."""
    api, visible = ask.services, ask.caller.visible
    now_us = api.clock()
    seen = [
        each.profile
        for each in api.profiles
        if visible.covers(tenant=each.profile.tenant, profile=each.profile.path_id)
    ]
    found = [
        _issuer(each, api, seen, records.crl(each), now_us=now_us) for each in api.issuer_types
    ]
    return [each for each in found if each.profiles or visible.everything]


def _issuer(
    issuer_id: str,
    api: Services,
    seen: Sequence[EstProfile],
    crl: CrlRecord | None,
    *,
    now_us: int,
) -> IssuerOut:
    chain = _chain(api.chains.get(issuer_id, ()), now_us)
    responder = api.responders.get(issuer_id)
    return IssuerOut(
        id=issuer_id,
        type=api.issuer_types[issuer_id],
        chain=chain,
        days_to_expiry=min((each.days_to_expiry for each in chain), default=None),
        crl=_crl(crl, now_us) if crl is not None else None,
        ocsp_responder=_certificate(responder, now_us) if responder is not None else None,
        profiles=[each.path_id for each in seen if each.issuer_id == issuer_id],
    )


def _crl(row: CrlRecord, now_us: int) -> CrlStatus:
    return CrlStatus(
        number=row.number,
        this_update=moment(row.this_update_us),
        next_update=moment(row.next_update_us),
        age_seconds=(now_us - row.this_update_us) // SECOND_US,
        overdue=row.next_update_us <= now_us,
        octets=row.size,
    )


def _chain(ders: Sequence[bytes], now_us: int) -> list[CaCertificate]:
    return [_certificate(der, now_us) for der in ders]


def _certificate(der: bytes, now_us: int) -> CaCertificate:
    read = x509.load_der_x509_certificate(der)
    not_after = read.not_valid_after_utc
    left_us = microseconds(not_after) - now_us
    return CaCertificate(
        subject=read.subject.rfc4514_string(),
        issuer=read.issuer.rfc4514_string(),
        serial=f"{read.serial_number:x}",
        sha256=hashlib.sha256(der).hexdigest(),
        not_before=read.not_valid_before_utc,
        not_after=not_after,
        days_to_expiry=left_us // DAY_US,
        expired=left_us <= 0,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/issuers",
        handler=list_issuers,
        summary="Issuers and their chains",
        role=Role.VIEWER,
        answer=Listing[IssuerOut],
        tag="issuers",
    ),
    Endpoint(
        method="GET",
        path="/issuers/{issuer_id}",
        handler=show_issuer,
        summary="One issuer and its chain",
        role=Role.VIEWER,
        answer=IssuerOut,
        tag="issuers",
    ),
)
