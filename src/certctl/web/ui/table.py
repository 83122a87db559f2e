"""Every page. What has no row here does not exist."""

from __future__ import annotations

from certctl.domain.api_keys import Role
from certctl.web.ui import (
    activity,
    audit,
    bulk,
    certificates,
    est,
    explain,
    issuers,
    keys,
    overview,
    profiles,
    requests,
    server,
)
from certctl.web.ui.page import Page

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

_ONE = "/certificates/{certificate}"
_REQUEST = "/requests/{request}"
_KEY = "/keys/{key}"
_ISSUER = "/issuers/{issuer}"
_PROFILE = "/profiles/{profile}"

PAGES: tuple[Page, ...] = (
    Page(method="GET", path="/", handler=overview.overview, role=VIEWER),
    # Three that say themselves what they need: "Admin access required" is a page of its own.
    Page(method="GET", path="/est", handler=est.profiles, role=VIEWER),
    Page(method="GET", path="/est/activity", handler=activity.activity, role=VIEWER),
    Page(method="GET", path="/est/trust", handler=est.trust, role=VIEWER),
    Page(method="GET", path="/est/activity/stream", handler=activity.stream, role=ADMIN),
    Page(method="GET", path="/est/counters", handler=est.counters, role=ADMIN),
    Page(method="GET", path="/est/reload", handler=est.reload_dialog, role=ADMIN),
    Page(method="POST", path="/est/reload", handler=est.reload, role=ADMIN),
    Page(method="GET", path="/certificates", handler=certificates.listing, role=VIEWER),
    Page(method="GET", path="/certificates/bulk", handler=bulk.form, role=ADMIN, whole=True),
    Page(method="POST", path="/certificates/bulk", handler=bulk.count, role=ADMIN, whole=True),
    Page(
        method="POST",
        path="/certificates/bulk/revoke",
        handler=bulk.revoke,
        role=ADMIN,
        whole=True,
    ),
    Page(method="GET", path=_ONE, handler=certificates.show, role=VIEWER),
    Page(method="GET", path=f"{_ONE}/chain.pem", handler=certificates.chain_file, role=VIEWER),
    Page(method="GET", path=f"{_ONE}/revoke", handler=certificates.revoke_dialog, role=OPERATOR),
    Page(method="POST", path=f"{_ONE}/revoke", handler=certificates.revoke, role=OPERATOR),
    Page(method="GET", path="/requests", handler=requests.listing, role=OPERATOR),
    Page(method="GET", path=_REQUEST, handler=requests.show, role=OPERATOR),
    Page(method="POST", path=f"{_REQUEST}/approve", handler=requests.approve, role=OPERATOR),
    Page(method="POST", path=f"{_REQUEST}/deny", handler=requests.deny, role=OPERATOR),
    Page(method="GET", path="/explain", handler=explain.form, role=OPERATOR),
    Page(method="POST", path="/explain", handler=explain.explain, role=OPERATOR),
    Page(method="GET", path="/issuers", handler=issuers.listing, role=VIEWER),
    Page(method="POST", path="/issuers", handler=issuers.create, role=ADMIN, whole=True),
    Page(method="GET", path=_ISSUER, handler=issuers.show, role=VIEWER),
    Page(method="GET", path=f"{_ISSUER}/chain.pem", handler=issuers.chain_file, role=VIEWER),
    Page(method="POST", path=f"{_ISSUER}/test", handler=issuers.test, role=ADMIN, whole=True),
    Page(
        method="POST",
        path=f"{_ISSUER}/certificate",
        handler=issuers.install,
        role=ADMIN,
        whole=True,
    ),
    *(
        Page(method=method, path=f"{_ISSUER}/{name}", handler=handler, role=ADMIN, whole=True)
        for name in issuers.CHANGES
        for method, handler in (("GET", issuers.confirm), ("POST", issuers.change))
    ),
    Page(method="GET", path="/profiles", handler=profiles.listing, role=VIEWER),
    Page(method="GET", path=_PROFILE, handler=profiles.show, role=VIEWER),
    Page(method="GET", path="/profiles/~new", handler=profiles.new, role=ADMIN, whole=True),
    Page(method="POST", path="/profiles", handler=profiles.create, role=ADMIN, whole=True),
    Page(method="GET", path=f"{_PROFILE}/edit", handler=profiles.edit, role=ADMIN, whole=True),
    Page(method="POST", path=_PROFILE, handler=profiles.change, role=ADMIN, whole=True),
    Page(
        method="GET",
        path=f"{_PROFILE}/delete",
        handler=profiles.delete_dialog,
        role=ADMIN,
        whole=True,
    ),
    Page(method="POST", path=f"{_PROFILE}/delete", handler=profiles.delete, role=ADMIN, whole=True),
    Page(method="GET", path="/audit", handler=audit.audit, role=VIEWER),
    Page(method="GET", path="/events", handler=server.events, role=VIEWER, whole=True),
    Page(method="POST", path="/events/requeue", handler=server.requeue, role=ADMIN, whole=True),
    Page(method="GET", path="/jobs", handler=server.jobs, role=VIEWER, whole=True),
    Page(method="GET", path="/keys", handler=keys.listing, role=ADMIN, whole=True),
    Page(method="POST", path="/keys", handler=keys.create, role=ADMIN, whole=True),
    Page(method="GET", path=f"{_KEY}/revoke", handler=keys.revoke_dialog, role=ADMIN, whole=True),
    Page(method="POST", path=f"{_KEY}/revoke", handler=keys.revoke, role=ADMIN, whole=True),
)
