"""How commands show certificates: as lines of a table, and as JSON.

Every text out of a certificate is somebody else's, so it is escaped for a terminal; JSON
carries it as it is.
"""

from __future__ import annotations

from typing import Any

from certctl.cli.text import utc, utc_z
from certctl.domain.inventory import CertificateSummary, profile_shown
from certctl.domain.plain_text import escaped

COLUMNS = ("SERIAL", "STATUS", "EXPIRES (UTC)", "PROFILE", "SUBJECT", "SANS")
_SHOWN_SANS = 2


def as_json(each: CertificateSummary, now_us: int) -> dict[str, Any]:
    """One certificate; times are RFC 3339 in UTC, digests lower-case hex."""
    return {
        "id": each.id,
        "serial": each.serial,
        "status": each.standing(now_us).value,
        "subject": each.subject,
        "sans": list(each.sans),
        "profile": each.profile,
        "certificate_profile": each.certificate_profile,
        "issuer_id": each.issuer_id,
        "principal": each.principal,
        "key_algorithm": each.key_algorithm,
        "spki_sha256": each.spki_sha256.hex(),
        "fingerprint": each.fingerprint.hex(),
        "not_before": utc_z(each.not_before_us),
        "not_after": utc_z(each.not_after_us),
        "issued_at": utc_z(each.issued_us),
        "revoked_at": None if each.revoked_us is None else utc_z(each.revoked_us),
        "revocation_reason": each.revocation_reason,
        "renews": each.renews,
        "source": each.source.value,
        "tenant": each.tenant,
    }


def cells(each: CertificateSummary, now_us: int) -> tuple[str, ...]:
    """One certificate as a line of a table."""
    sans = ", ".join(each.sans[:_SHOWN_SANS]) + (", …" if len(each.sans) > _SHOWN_SANS else "")
    return (
        each.serial,
        each.standing(now_us).value,
        utc(each.not_after_us),
        profile_shown(each.source, each.profile),
        escaped(each.subject) or "(none)",
        escaped(sans),
    )
