"""``POST /est/explain``: what would become of a CSR, rule by rule; nothing is issued."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address
from typing import Annotated, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import AfterValidator, BaseModel, Field

from certctl.domain.api_keys import Role
from certctl.domain.errors import NotFound
from certctl.domain.explanation import Question
from certctl.domain.profiles import Operation
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import ShortText, Strict
from certctl.web.api.problems import ApiRefused
from certctl.web.api.services import Ask
from certctl.web.explained import as_json
from certctl.wire.unreadable import UNREADABLE, quiet

MOST_CERTIFICATES = 20
USER = r"^[^\x00-\x1f\x7f:]*$"


def _address(given: str) -> str:
    ip_address(given)
    return given


Address = Annotated[str, AfterValidator(_address)]


class ExplainBody(Strict):
    """A request, with what its CSR cannot show."""

    profile: ShortText = Field(description="Path ID; empty: legacy root.")
    csr: str = Field(min_length=1, description="PEM or base64.")
    operation: Literal["simpleenroll", "simplereenroll"] = "simpleenroll"
    user: str | None = Field(
        default=None,
        max_length=255,
        pattern=USER,
        description="HTTP Basic; the password is taken as right.",
    )
    certificate: str | None = Field(
        default=None, description="PEM: the client certificate, then its intermediates."
    )
    source: Address | None = Field(
        default=None, description="IP address; without it nothing that counts by it is judged."
    )
    tls_version: Literal["1.2", "1.3"] = "1.3"


class RuleOut(BaseModel):
    """``verdict``: passed, failed or not_judged; ``status`` is what the device would get."""

    rule: str
    verdict: str
    wanted: str
    came: str
    remedy: str
    reason: str
    note: str
    status: int


class WouldBeOut(BaseModel):
    """The certificate that would be issued; ``not_after`` may come earlier by up to
    ``shorter_percent`` of its lifetime.
    """

    subject: str
    sans: list[str]
    ekus: list[str]
    key: str
    not_before: str
    not_after: str
    profile: str
    certificate_profile: str
    issuer_id: str
    shorter_percent: int
    renews: str | None
    repeated: bool


class Explained(BaseModel):
    """``outcome``: issued, waits (for operators) or refused. ``refused_by`` names the rule
    that would answer the device.
    """

    profile: str
    operation: str
    outcome: str
    refused_by: str | None
    rules: list[RuleOut]
    certificate: WouldBeOut | None


async def explain(body: ExplainBody, ask: Ask) -> Explained:
    """Judge a request by every rule. Issues nothing and leaves nothing on record."""
    found = [each.profile for each in ask.services.profiles if each.profile.path_id == body.profile]
    if not found or not ask.caller.visible.covers(tenant=found[0].tenant, profile=body.profile):
        raise NotFound(f"EST profile {body.profile}")
    question = Question(
        path_id=body.profile,
        operation=Operation(body.operation),
        body=body.csr.encode(),
        user=body.user,
        chain=_chain(body.certificate) if body.certificate is not None else (),
        source=body.source or "",
        tls_version=f"TLSv{body.tls_version}",
    )
    explained = await ask.services.read(partial(ask.services.explain, question))
    return Explained.model_validate(as_json(explained, found[0]))


def _chain(text: str) -> tuple[bytes, ...]:
    try:
        with quiet():
            found = x509.load_pem_x509_certificates(text.encode())
    except UNREADABLE:
        found = []
    if not 0 < len(found) <= MOST_CERTIFICATES:
        raise ApiRefused(
            422,
            "The client certificate cannot be read.",
            error="certificate_unreadable",
            rule=f"It takes 1 to {MOST_CERTIFICATES} certificates in PEM.",
        )
    return tuple(each.public_bytes(Encoding.DER) for each in found)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/est/explain",
        handler=explain,
        summary="What would become of a CSR",
        role=Role.OPERATOR,
        answer=Explained,
        example={
            "profile": "corp",
            "csr": "-----BEGIN CERTIFICATE REQUEST-----\nMIIB…\n",
            "user": "device-1",
        },
        tag="EST",
    ),
)
