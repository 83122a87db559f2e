"""What each tool gives back: the shapes are published as JSON schemas with the tools.

Fields of the management API that are not named here are left out, so that a newer server
does not break an older reader. What stems from outside is ``Untrusted``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from certctl.mcp.untrusted import NOTE, Untrusted, untrusted

Foreign = Annotated[Untrusted, BeforeValidator(untrusted)]


def _marked(given: Any) -> Any:
    return {name: untrusted(value) for name, value in given.items()}


class Result(BaseModel):
    """What every result begins with."""

    note: str = NOTE


class CertificateOut(BaseModel):
    """A certificate; ``serial`` and ``sha256`` are hexadecimal, times are ISO 8601 in UTC."""

    subject: Untrusted
    issuer: Untrusted
    sans: list[Untrusted]
    serial: str
    not_before: str
    not_after: str
    sha256: str
    pem: str


class CaCerts(Result):
    """The CA's certificates, whole and one by one."""

    profile: str
    pkcs7: str = Field(description="base64 of the certs-only PKCS#7 (DER), as EST sends it.")
    certificates: list[CertificateOut]


class CsrAttrs(Result):
    """What the server wants in a CSR; ``wanted`` is the same in words."""

    profile: str
    der: str = Field(description="base64 of CsrAttrs (DER); empty where nothing is wanted.")
    wanted: list[Untrusted]


class Enrolled(Result):
    """``issued`` with a certificate, or ``pending``: ask again with the same request."""

    outcome: Literal["issued", "pending"]
    profile: str
    certificate: CertificateOut | None = None
    chain: list[CertificateOut] = []
    retry_after_seconds: int | None = None
    server_said: list[Untrusted] = []
    request_id: str = Field(default="", description="Of a pending request.")


class TrustAnchor(BaseModel):
    """A CA whose client certificates a profile takes."""

    subject: Foreign
    issuer: Foreign
    serial: str
    not_before: str
    not_after: str
    days_to_expiry: int
    expired: bool


class EstProfile(BaseModel):
    """One EST profile; ``path_id`` is empty for the legacy root."""

    path_id: str
    issuer_id: str
    profile_id: str
    auth_modes: list[str]
    mtls_enabled: bool
    basic_auth_configured: bool
    server_keygen_enabled: bool
    channel_binding_required: bool
    rate_limit: int
    tenant: str | None
    counters: dict[str, int]
    trust_anchors: list[TrustAnchor]
    trust_anchor_path: str | None
    lint: list[str]
    urls: list[str]


class EstProfiles(Result):
    """Every EST profile that the key may see, at the time ``now``."""

    profiles: list[EstProfile]
    now: str


class RuleOut(BaseModel):
    """``verdict``: passed, failed or not_judged; ``status`` is what the device would get."""

    rule: str
    verdict: str
    wanted: str
    came: Foreign
    remedy: str
    reason: str
    note: Foreign
    status: int


class WouldBe(BaseModel):
    """The certificate that would be issued."""

    subject: Foreign
    sans: list[Foreign]
    ekus: list[str]
    key: str
    not_before: str
    not_after: str
    certificate_profile: str
    issuer_id: str


class Explained(Result):
    """``outcome``: issued, waits (for operators) or refused."""

    profile: str
    operation: str
    outcome: str
    refused_by: str | None
    rules: list[RuleOut]
    certificate: WouldBe | None


class Check(BaseModel):
    """One check: good, note, finding or skipped; ``finding`` names it, ``remedy`` mends it."""

    check: str
    verdict: str
    text: Foreign
    finding: str
    remedy: str


class Examined(Result):
    """What the doctor found on a server."""

    url: str
    healthy: bool
    findings: int
    results: list[Check]


class Event(BaseModel):
    """An audit event; ``count`` is above 1 where identical refusals were folded."""

    id: str
    time: str
    action: str
    outcome: str
    profile: str
    actor: Foreign
    resource: Foreign
    source_address: str
    request_id: str
    auth_mode: str
    client_certificate_subject: Foreign
    client_certificate_serial: str
    tls_version: str
    count: int
    details: Annotated[dict[str, Untrusted], BeforeValidator(_marked)]


class RecentActivity(Result):
    """The newest events first; ``total`` is how many the filters find."""

    events: list[Event]
    total: int | None = None
