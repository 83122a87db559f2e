"""``/issuers``: what signs, and how long it still may. Never a key, path or passphrase."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from ssl import DER_cert_to_PEM_cert
from typing import Annotated, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Path
from pydantic import BaseModel, Field

from certctl.domain.api_keys import Role
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import CrlRecord
from certctl.domain.crl_partitions import CrlPartition, published
from certctl.domain.errors import NotFound, PolicyViolation
from certctl.domain.keys import describe_key, load_public_key
from certctl.domain.ports import Records
from certctl.domain.profiles import EstProfile
from certctl.domain.stored_issuers import IssuerState, LastTrial, StoredIssuer
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
    """The newest CRL that was published; ``overdue``: its nextUpdate has passed.

    ``partitions``: in how many parts it is published, too.
    """

    number: int
    this_update: Moment
    next_update: Moment
    age_seconds: int
    overdue: bool
    octets: int
    partitions: int


class TrialOut(BaseModel):
    """When somebody last tried it; ``problem`` and ``remedy`` are null where it works."""

    at: Moment
    ok: bool
    tried: str
    milliseconds: int
    problem: str | None
    remedy: str | None


class IssuerOut(BaseModel):
    """``days_to_expiry`` is of the first certificate of the chain to expire; null where
    there is no chain. ``crl`` and ``ocsp_responder`` are null where there is none.
    """

    id: str
    type: str
    origin: Literal["settings", "store"]
    set_by: str | None = Field(description="The variable that sets it; null: made over the API.")
    display_name: str
    state: IssuerState
    version: int | None = Field(description="Rises with every change; null: set on the host.")
    key: str | None = Field(description="Kind of the CA's key; null before it has a certificate.")
    validity_seconds: int | None = Field(
        description="Of certificates unless their profile says otherwise; null: set on the host."
    )
    csr: str | None = Field(description="PKCS#10 (PEM) for the CA above, while it is pending.")
    chain: list[CaCertificate] = Field(description="The certificate that signs first.")
    days_to_expiry: int | None
    crl: CrlStatus | None
    ocsp_responder: CaCertificate | None
    profiles: list[str] = Field(description="Path IDs of the EST profiles that it serves.")
    last_test: TrialOut | None


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
    """Those that this key sees: of the settings, then of the store."""
    api, visible = ask.services, ask.caller.visible
    seen = [
        each.profile
        for each in api.profiles
        if visible.covers(tenant=each.profile.tenant, profile=each.profile.path_id)
    ]
    stored = {
        row.id: row
        for row in records.stored_issuers()
        if row.state is not IssuerState.DELETED and row.id not in api.issuer_types
    }
    trials = records.issuer_trials()
    found = [
        _issuer(each, api, stored.get(each), records, trials.get(each), seen)
        for each in (*api.issuer_types, *stored)
    ]
    return [each for each in found if each.profiles or visible.everything]


def _issuer(
    issuer_id: str,
    api: Services,
    row: StoredIssuer | None,
    records: Records,
    trial: LastTrial | None,
    seen: Sequence[EstProfile],
) -> IssuerOut:
    now_us = api.clock()
    ders = row.chain if row is not None else api.chains.get(issuer_id, ())
    chain = _chain(ders, now_us)
    crl, responder = records.crl(issuer_id), api.responders.get(issuer_id)
    return IssuerOut(
        id=issuer_id,
        type=row.type if row is not None else api.issuer_types[issuer_id],
        origin="store" if row is not None else "settings",
        set_by=api.issuer_variables[issuer_id] if row is None else None,
        display_name=row.display_name if row is not None else issuer_id,
        state=row.state if row is not None else IssuerState.ENABLED,
        version=row.version if row is not None else None,
        key=key_kind(ders[0]) if ders else None,
        validity_seconds=row.validity_s if row is not None else None,
        csr=csr_pem(row.csr_der) if row is not None and not ders else None,
        chain=chain,
        days_to_expiry=min((each.days_to_expiry for each in chain), default=None),
        crl=_crl(crl, records.crl_partitions(), now_us) if crl is not None else None,
        ocsp_responder=ca_certificate(responder, now_us) if responder is not None else None,
        profiles=[each.path_id for each in seen if each.issuer_id == issuer_id],
        last_test=_trial(trial) if trial is not None else None,
    )


def _trial(trial: LastTrial) -> TrialOut:
    return TrialOut(
        at=moment(trial.tested_us),
        ok=not trial.problem,
        tried=trial.tried,
        milliseconds=trial.took_us // 1_000,
        problem=trial.problem or None,
        remedy=trial.remedy or None,
    )


def csr_pem(der: bytes) -> str:
    return DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "CERTIFICATE REQUEST")


def key_kind(der: bytes) -> str:
    """Algorithm and size of a certificate's key, as profiles name them."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        key = x509.load_der_x509_certificate(der).public_key().public_bytes(*form)
        return str(describe_key(load_public_key(key)))
    except (PolicyViolation, UnsupportedAlgorithm, ValueError):
        return "of another kind"


def _crl(row: CrlRecord, partitions: Sequence[CrlPartition], now_us: int) -> CrlStatus:
    return CrlStatus(
        number=row.number,
        this_update=moment(row.this_update_us),
        next_update=moment(row.next_update_us),
        age_seconds=(now_us - row.this_update_us) // SECOND_US,
        overdue=row.next_update_us <= now_us,
        octets=row.size,
        partitions=len(published(partitions)),
    )


def _chain(ders: Sequence[bytes], now_us: int) -> list[CaCertificate]:
    return [ca_certificate(der, now_us) for der in ders]


def ca_certificate(der: bytes, now_us: int) -> CaCertificate:
    """What is told of a CA's certificate."""
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
