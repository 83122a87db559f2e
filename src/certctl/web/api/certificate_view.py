"""How the API shows a certificate, in lists and by itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from pydantic import BaseModel, Field

from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.inventory import CertificateSummary, WantedStatus
from certctl.web.api.models import Moment, moment, moment_or_none


class CertificateOut(BaseModel):
    """A certificate on record. ``expired`` is derived; ``hold`` can still be released."""

    id: str
    serial: str = Field(description="Lower-case hexadecimal without padding.")
    status: WantedStatus
    subject: str
    sans: list[str]
    issuer_id: str
    profile: str
    certificate_profile: str
    principal: str
    key_algorithm: str
    spki_sha256: str
    fingerprint: str
    not_before: Moment
    not_after: Moment
    issued_at: Moment
    source: CertificateSource
    renews: str | None
    revoked_at: Moment | None
    revocation_reason: str | None
    tenant: str | None


class CertificateDetail(CertificateOut):
    """All that is known of one certificate. ``renewal_history`` names what it renews and
    what renews it, oldest first, without itself.
    """

    auth_mode: str
    source_address: str
    tls_version: str
    channel_binding: str
    released_at: Moment | None
    renewal_history: list[CertificateOut]
    pem: str


def shown(row: CertificateSummary, now_us: int) -> CertificateOut:
    return CertificateOut(
        id=row.id,
        serial=row.serial,
        status=row.standing(now_us),
        subject=row.subject,
        sans=list(row.sans),
        issuer_id=row.issuer_id,
        profile=row.profile,
        certificate_profile=row.certificate_profile,
        principal=row.principal,
        key_algorithm=row.key_algorithm,
        spki_sha256=row.spki_sha256.hex(),
        fingerprint=row.fingerprint.hex(),
        not_before=moment(row.not_before_us),
        not_after=moment(row.not_after_us),
        issued_at=moment(row.issued_us),
        source=row.source,
        renews=row.renews,
        revoked_at=moment_or_none(row.revoked_us),
        revocation_reason=row.revocation_reason,
        tenant=row.tenant,
    )


def detailed(
    record: CertificateRecord,
    summary: CertificateSummary,
    history: Sequence[CertificateSummary],
    *,
    released_us: int | None,
    now_us: int,
) -> CertificateDetail:
    return CertificateDetail(
        **dict(shown(summary, now_us)),
        auth_mode=record.auth_mode,
        source_address=record.source_address,
        tls_version=record.tls_version,
        channel_binding=record.channel_binding,
        released_at=moment_or_none(released_us),
        renewal_history=[shown(each, now_us) for each in history],
        pem=pem([record.der]),
    )


def pem(ders: Sequence[bytes]) -> str:
    """RFC 7468 §5: base64 in lines of 64."""
    blocks = []
    for der in ders:
        text = b64encode(der).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        blocks += ["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]
    return "\n".join(blocks)
