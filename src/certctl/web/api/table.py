"""Every endpoint of the API. What has no row here does not exist."""

from __future__ import annotations

from certctl.web.api import (
    audit,
    bulk_revoke,
    certificate_profiles,
    certificates,
    est_explain,
    est_profiles,
    est_requests,
    events,
    imports,
    inventory,
    issuer_writes,
    issuers,
    keys,
    meta,
    operations,
    stream,
)
from certctl.web.api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *meta.ENDPOINTS,
    *est_profiles.ENDPOINTS,
    *est_requests.ENDPOINTS,
    *est_explain.ENDPOINTS,
    *bulk_revoke.ENDPOINTS,
    *inventory.ENDPOINTS,
    *certificates.ENDPOINTS,
    *imports.ENDPOINTS,
    *certificate_profiles.ENDPOINTS,
    *issuers.ENDPOINTS,
    *issuer_writes.ENDPOINTS,
    *audit.ENDPOINTS,
    *stream.ENDPOINTS,
    *events.ENDPOINTS,
    *keys.ENDPOINTS,
    *operations.ENDPOINTS,
)
