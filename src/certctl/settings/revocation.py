"""Settings of CRLs and OCSP out of what was given (config §3)."""

from __future__ import annotations

from certctl.settings.catalogue import issuing as names
from certctl.settings.catalogue.server import PKI_HTTP_PORT, PUBLIC_URL
from certctl.settings.given import Given
from certctl.settings.schema import RevocationSettings, ServerSettings


def revocation_settings(given: Given, server: ServerSettings) -> RevocationSettings:
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
    delta_s = given.value(names.CRL_DELTA_INTERVAL)
    if delta_s is not None and 2 * delta_s > interval_s:
        given.refuse(
            names.CRL_DELTA_INTERVAL,
            "",
            f"more than half of {names.CRL_GENERATION_INTERVAL.full_name()}: full CRLs would be"
            " as fresh as delta CRLs",
            "make it shorter, or leave it out",
        )
    if delta_s is not None and (server.public_host is None or server.pki_http_port is None):
        given.refuse(
            names.CRL_DELTA_INTERVAL,
            "",
            f"a reader finds delta CRLs by a URL, and without {PUBLIC_URL.full_name()} and"
            f" {PKI_HTTP_PORT.full_name()} there is none",
            "set both, or leave it out",
        )
    partitions = given.value(names.CRL_PARTITIONS)
    if partitions > 1 and (server.public_host is None or server.pki_http_port is None):
        given.refuse(
            names.CRL_PARTITIONS,
            "",
            f"a reader finds the CRL of a partition by its URL alone, and without"
            f" {PUBLIC_URL.full_name()} and {PKI_HTTP_PORT.full_name()} there is none",
            "set both, or leave it out",
        )
    return RevocationSettings(
        crl_delta_s=delta_s,
        crl_partitions=partitions,
        crl_interval_s=interval_s,
        crl_debounce_s=given.value(names.CRL_DEBOUNCE),
        crl_validity_s=validity_s,
        responder_validity_s=given.value(names.OCSP_RESPONDER_VALIDITY),
        responder_grace_s=given.value(names.OCSP_RESPONDER_ROTATION_GRACE),
        ocsp_per_minute=given.value(names.OCSP_RATE_LIMIT_PER_IP_MIN),
    )
