"""All paths of the API, the web pages and MCP as metrics call them, with their methods.

The tables they come from (``web.api.table``, ``web.ui.table``) load FastAPI and the
templates, which the supervisor, where series are laid out, must not; a test holds this to
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_API: Final[Mapping[str, str]] = {
    "/api/v1/version": "GET",
    "/api/v1/auth/info": "GET",
    "/api/v1/auth/check": "GET",
    "/api/v1/admin/est/profiles": "GET",
    "/api/v1/admin/est/reload-trust": "POST",
    "/api/v1/est/requests": "GET",
    "/api/v1/est/requests/{request_id}": "GET",
    "/api/v1/est/requests/{request_id}/approve": "POST",
    "/api/v1/est/requests/{request_id}/deny": "POST",
    "/api/v1/est/explain": "POST",
    "/api/v1/est/certificates/bulk-revoke": "POST",
    "/api/v1/certificates": "GET",
    "/api/v1/certificates/{certificate_id}": "GET",
    "/api/v1/certificates/{certificate_id}/chain.pem": "GET",
    "/api/v1/certificates/{certificate_id}/revoke": "POST",
    "/api/v1/certificates/{certificate_id}/release": "POST",
    "/api/v1/certificates/serial/{serial}/revoke": "POST",
    "/api/v1/certificates/import": "POST",
    "/api/v1/profiles": "GET POST",
    "/api/v1/profiles/{profile_id}": "DELETE GET PUT",
    "/api/v1/issuers": "GET POST",
    "/api/v1/issuers/{issuer_id}": "DELETE GET PATCH",
    "/api/v1/issuers/{issuer_id}/certificate": "POST",
    "/api/v1/issuers/{issuer_id}/test": "POST",
    "/api/v1/audit": "GET",
    "/api/v1/audit/checkpoints": "GET",
    "/api/v1/audit/{event_id}": "GET",
    "/api/v1/audit/stream": "GET",
    "/api/v1/events": "GET",
    "/api/v1/events/{event_id}": "GET",
    "/api/v1/events/requeue": "POST",
    "/api/v1/events/{event_id}/requeue": "POST",
    "/api/v1/keys": "GET POST",
    "/api/v1/keys/{key_id}": "DELETE",
    "/api/v1/jobs": "GET",
    "/api/v1/stats": "GET",
    "/api/v1/openapi.json": "GET",
    "/api/docs": "GET",
    "/api/docs/": "GET",
    "/api/docs/style.css": "GET",
}
_PAGES: Final[Mapping[str, str]] = {
    "/login": "GET POST",
    "/logout": "POST",
    "/static/{file}": "GET",
    "/": "GET",
    "/est": "GET",
    "/est/activity": "GET",
    "/est/trust": "GET",
    "/est/activity/stream": "GET",
    "/est/counters": "GET",
    "/est/reload": "GET POST",
    "/certificates": "GET",
    "/certificates/bulk": "GET POST",
    "/certificates/bulk/revoke": "POST",
    "/certificates/{certificate}": "GET",
    "/certificates/{certificate}/chain.pem": "GET",
    "/certificates/{certificate}/revoke": "GET POST",
    "/requests": "GET",
    "/requests/{request}": "GET",
    "/requests/{request}/approve": "POST",
    "/requests/{request}/deny": "POST",
    "/explain": "GET POST",
    "/issuers": "GET POST",
    "/issuers/{issuer}": "GET",
    "/issuers/{issuer}/chain.pem": "GET",
    "/issuers/{issuer}/test": "POST",
    "/issuers/{issuer}/certificate": "POST",
    "/issuers/{issuer}/enable": "GET POST",
    "/issuers/{issuer}/disable": "GET POST",
    "/issuers/{issuer}/delete": "GET POST",
    "/profiles": "GET POST",
    "/profiles/{profile}": "GET POST",
    "/profiles/~new": "GET",
    "/profiles/{profile}/edit": "GET",
    "/profiles/{profile}/delete": "GET POST",
    "/audit": "GET",
    "/events": "GET",
    "/events/requeue": "POST",
    "/jobs": "GET",
    "/keys": "GET POST",
    "/keys/{key}/revoke": "GET POST",
}
_MCP: Final[Mapping[str, str]] = {"/mcp": "POST"}

COUNTED_ROUTES: Final = tuple(
    (surface, path, method)
    for surface, paths in (("api", _API), ("pages", _PAGES), ("mcp", _MCP))
    for path, methods in paths.items()
    for method in methods.split()
)
"""Surface, template and method of each."""
