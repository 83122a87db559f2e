"""Settings of CRLs and OCSP out of what was given (config §3)."""

from __future__ import annotations

from certctl.settings.catalogue import issuing as names
from certctl.settings.given import Given
from certctl.settings.schema import RevocationSettings


def revocation_settings(given: Given) -> RevocationSettings:
    """When CRLs are made; faults across variables go into the report."""
    interval_s = given.value(names.CRL_GENERATION_INTERVAL)
    validity_s = given.value(names.CRL_VALIDITY)
    if validity_s <= interval_s:
        given.refuse(
            names.CRL_VALIDITY,
            "",
            f"not longer than {names.CRL_GENERATION_INTERVAL.full_name()}: each CRL would be"
            " stale before the next one is there",
            "make it several times as long",
        )
    return RevocationSettings(
        crl_interval_s=interval_s,
        crl_debounce_s=given.value(names.CRL_DEBOUNCE),
        crl_validity_s=validity_s,
        responder_validity_s=given.value(names.OCSP_RESPONDER_VALIDITY),
        responder_grace_s=given.value(names.OCSP_RESPONDER_ROTATION_GRACE),
        ocsp_per_minute=given.value(names.OCSP_RATE_LIMIT_PER_IP_MIN),
    )
