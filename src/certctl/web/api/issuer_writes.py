"""Issuers tried, made, changed and deleted: what an admin does to them (issuers §4)."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, Field, StringConstraints

from certctl.authority.commands import Command, CommandResult
from certctl.authority.commands.issuers import (
    ChangeIssuer,
    CreateIssuer,
    DeleteIssuer,
    InstallIssuer,
    IssuerChanged,
    IssuerTested,
    TestIssuer,
)
from certctl.domain.api_keys import Role
from certctl.domain.errors import InProgress
from certctl.domain.stored_issuers import IssuerState
from certctl.settings.schema import CaKeyType
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.issuers import CaCertificate, IssuerId, ca_certificate, key_kind
from certctl.web.api.models import Moment, Strict, moment
from certctl.web.api.problems import ApiRefused
from certctl.web.api.services import Ask, Services

Result = TypeVar("Result", bound=CommandResult)

WAIT_S = 12.0
"""Longer than any trial and any key takes; then the client is told to ask again."""

LOOK_S = 0.1

LOCAL = "local"
_DAY_S = 86_400
_YEARS_S = 3_660 * _DAY_S

ID = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
NAME = r"^[^\x00-\x1f\x7f]{1,100}$"
COMMON_NAME = r"^[^\x00-\x1f\x7f]{1,64}$"
Pem = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]


class TestOut(BaseModel):
    """What came of trying an issuer; ``problem`` and ``remedy`` are null where it works."""

    # pytest takes classes of this name for tests.
    __test__ = False

    id: str
    ok: bool
    tried: str
    problem: str | None
    remedy: str | None
    key: str | None
    chain: list[CaCertificate]
    days_to_expiry: int | None
    milliseconds: int
    at: Moment


class NewIssuer(Strict):
    """``subordinate``: its certificate comes from a CA above, for the request it gives."""

    id: str = Field(pattern=ID)
    type: str = Field(default=LOCAL, max_length=32, json_schema_extra={"enum": [LOCAL]})
    display_name: str | None = Field(default=None, pattern=NAME, description="Default: the id.")
    key_type: CaKeyType = CaKeyType.P256
    common_name: str | None = Field(
        default=None, pattern=COMMON_NAME, description="Of the CA; default: one made of the id."
    )
    validity_seconds: int = Field(
        default=90 * _DAY_S,
        ge=60,
        le=_YEARS_S,
        description="Of certificates unless their profile says otherwise.",
    )
    subordinate: bool = False


class IssuerPatch(Strict):
    """What shall change; key, type and certificate never do. ``expected_version``: what it
    is changed from.
    """

    display_name: str | None = Field(default=None, pattern=NAME)
    enabled: bool | None = None
    expected_version: int | None = Field(default=None, ge=1, le=2**53)


class NewCertificate(Strict):
    """Certificates in PEM: the issuer's own first, then its parents up to the root."""

    certificate: Pem


class IssuerChange(BaseModel):
    id: str
    version: int
    state: IssuerState


async def test_issuer(issuer_id: IssuerId, ask: Ask) -> TestOut:
    """Have the authority really use the issuer, without issuing anything."""
    api = ask.services
    command = TestIssuer(issuer_id=issuer_id, test_id=api.random(16).hex(), actor=ask.caller.actor)
    done = await _in_time(command, IssuerTested, ask)
    trial = done.trial
    chain = [ca_certificate(der, done.tested_us) for der in trial.chain]
    return TestOut(
        id=issuer_id,
        ok=trial.ok,
        tried=trial.tried,
        problem=trial.problem or None,
        remedy=_sentence(trial.remedy),
        key=key_kind(trial.chain[0]) if trial.chain else None,
        chain=chain,
        days_to_expiry=min((each.days_to_expiry for each in chain), default=None),
        milliseconds=done.took_us // 1_000,
        at=moment(done.tested_us),
    )


async def create_issuer(body: NewIssuer, ask: Ask) -> IssuerChange:
    """Make a local CA. Its key is made by the authority and kept encrypted in the store, so
    that every node can use it; it is served within a second.
    """
    _refuse_type(body)
    _refuse_settings(body.id, ask.services)
    _require_key(ask.services)
    command = CreateIssuer(
        issuer_id=body.id,
        display_name=body.display_name or body.id,
        key_type=body.key_type,
        validity_s=body.validity_seconds,
        actor=ask.caller.actor,
        common_name=body.common_name,
        subordinate=body.subordinate,
    )
    return _changed(await _in_time(command, IssuerChanged, ask))


async def install_certificate(issuer_id: IssuerId, body: NewCertificate, ask: Ask) -> IssuerChange:
    """Give a pending issuer the certificate that the CA above has made of its request."""
    _refuse_settings(issuer_id, ask.services)
    _require_key(ask.services)
    try:
        chain = x509.load_pem_x509_certificates(body.certificate.encode())
    except (ValueError, x509.InvalidVersion) as err:
        raise ApiRefused(
            422,
            "The certificate cannot be read.",
            error="invalid_certificate",
            rule="Certificates in PEM, the issuer's own first, then its parents up to the root.",
        ) from err
    command = InstallIssuer(
        issuer_id=issuer_id,
        chain=tuple(each.public_bytes(Encoding.DER) for each in chain),
        actor=ask.caller.actor,
    )
    return _changed(await ask.do(command, IssuerChanged))


async def change_issuer(issuer_id: IssuerId, body: IssuerPatch, ask: Ask) -> IssuerChange:
    """Name, enable or disable an issuer. A disabled one issues nothing; its CRL and OCSP
    answers go on.
    """
    _refuse_settings(issuer_id, ask.services)
    _require_key(ask.services)
    command = ChangeIssuer(
        issuer_id=issuer_id,
        actor=ask.caller.actor,
        display_name=body.display_name,
        enabled=body.enabled,
        expected_version=body.expected_version,
    )
    return _changed(await ask.do(command, IssuerChanged))


async def delete_issuer(issuer_id: IssuerId, ask: Ask) -> IssuerChange:
    """Destroy the key of an issuer that no EST profile names and of which no certificate is
    unexpired. Its id is never given to another CA.
    """
    _refuse_settings(issuer_id, ask.services)
    command = DeleteIssuer(issuer_id=issuer_id, actor=ask.caller.actor)
    return _changed(await ask.do(command, IssuerChanged))


async def _in_time(command: Command, answer: type[Result], ask: Ask) -> Result:
    """Ask again and again while the slow part of it is under way."""
    loop = asyncio.get_running_loop()
    until = loop.time() + WAIT_S
    while True:
        try:
            return await ask.do(command, answer)
        except InProgress as failure:
            if loop.time() > until:
                raise ApiRefused(
                    503,
                    "This takes longer than it should.",
                    error="in_progress",
                    remedy="Try again in a moment.",
                    headers=((b"Retry-After", b"5"),),
                ) from failure
        await asyncio.sleep(LOOK_S)


def _refuse_type(body: NewIssuer) -> None:
    if body.type == LOCAL:
        return
    if body.type == "script":
        raise ApiRefused(
            422,
            "A script issuer is not made over the network.",
            error="type_not_over_network",
            rule="Whoever names a program here would run code on the host.",
            remedy="Set CERTCTL_ISSUER_<ID>_TYPE=script and its programs on the host.",
        )
    raise ApiRefused(
        422,
        f"There is no connector {body.type!r} in this version.",
        error="unknown_type",
        remedy="Use local.",
    )


def _refuse_settings(issuer_id: str, api: Services) -> None:
    variable = api.issuer_variables.get(issuer_id)
    if variable is not None:
        raise ApiRefused(
            409,
            f"The issuer {issuer_id} is set on the host and read-only here.",
            error="set_on_host",
            rule=f"{variable} sets it.",
            remedy="Change it there and start the server anew.",
        )


def _require_key(api: Services) -> None:
    if not api.keeps_issuers:
        raise ApiRefused(
            409,
            "This server keeps no issuers.",
            error="no_config_key",
            rule="Issuers of the store are encrypted with CERTCTL_CONFIG_ENCRYPTION_KEY.",
            remedy="Set CERTCTL_CONFIG_ENCRYPTION_KEY_FILE, the same key on every node, and start"
            " the server anew; openssl rand -base64 32 makes a key.",
        )


def _changed(done: IssuerChanged) -> IssuerChange:
    return IssuerChange(id=done.issuer_id, version=done.version, state=done.state)


def _sentence(text: str) -> str | None:
    return f"{text[:1].upper()}{text[1:]}." if text else None


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/issuers",
        handler=create_issuer,
        summary="Make an issuer",
        role=Role.ADMIN,
        whole=True,
        answer=IssuerChange,
        status=201,
        example={"id": "factory", "display_name": "Factory CA", "key_type": "P-384"},
        tag="issuers",
    ),
    Endpoint(
        method="PATCH",
        path="/issuers/{issuer_id}",
        handler=change_issuer,
        summary="Name, enable or disable an issuer",
        role=Role.ADMIN,
        whole=True,
        answer=IssuerChange,
        example={"enabled": False},
        tag="issuers",
    ),
    Endpoint(
        method="DELETE",
        path="/issuers/{issuer_id}",
        handler=delete_issuer,
        summary="Delete an issuer that nothing needs any more",
        role=Role.ADMIN,
        whole=True,
        answer=IssuerChange,
        tag="issuers",
    ),
    Endpoint(
        method="POST",
        path="/issuers/{issuer_id}/certificate",
        handler=install_certificate,
        summary="Give a pending issuer its certificate",
        role=Role.ADMIN,
        whole=True,
        answer=IssuerChange,
        example={"certificate": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"},
        tag="issuers",
    ),
    Endpoint(
        method="POST",
        path="/issuers/{issuer_id}/test",
        handler=test_issuer,
        summary="Try an issuer without issuing",
        role=Role.ADMIN,
        whole=True,
        answer=TestOut,
        tag="issuers",
    ),
)
