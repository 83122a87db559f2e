"""``POST /certificates/import``: certificates of other sources on record (records §3)."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from certctl.authority.commands import CertificatesImported, Import, ImportCertificates
from certctl.domain.api_keys import Role
from certctl.domain.imports import MOST_AT_ONCE
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Strict
from certctl.web.api.problems import ApiRefused, FieldFault
from certctl.web.api.services import Ask

MOST_FAULTS = 20

IssuerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,63}$")]


class ImportBody(Strict):
    """``issuer`` is what to call a CA that is not this server's (``external:NAME``);
    without it the hash of its name stands there.
    """

    certificates: str = Field(
        min_length=1, description=f"PEM, one after the other, at most {MOST_AT_ONCE}."
    )
    issuer: IssuerName | None = None


class Imported(BaseModel):
    """``duplicates`` were on record already, or twice in the request; they stay as they are."""

    imported: int
    duplicates: int


async def import_certificates(body: ImportBody, ask: Ask) -> Imported:
    """Put certificates that other sources issued on record, all of these or none.

    They can be found and revoked; they renew nothing, and a bulk revocation never
    touches them.
    """
    read = await asyncio.to_thread(
        ask.services.read_import, body.certificates.encode(), body.issuer
    )
    good = [each for each in read if isinstance(each, Import)]
    if len(good) < len(read):
        faults = [
            FieldFault(field=f"certificates.{position}", problem=each)
            for position, each in enumerate(read, start=1)
            if isinstance(each, str)
        ]
        raise ApiRefused(
            422,
            "A certificate cannot be put on record; none was.",
            error="certificate_unreadable",
            faults=faults[:MOST_FAULTS],
        )
    if not 0 < len(good) <= MOST_AT_ONCE:
        raise ApiRefused(
            422,
            f"There are {len(good)} certificates in PEM in it.",
            error="wrong_number",
            rule=f"It takes 1 to {MOST_AT_ONCE}.",
        )
    command = ImportCertificates(certificates=tuple(good), actor=ask.caller.actor)
    done = await ask.do(command, CertificatesImported)
    return Imported(imported=done.imported, duplicates=done.duplicates)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/certificates/import",
        handler=import_certificates,
        summary="Put certificates of other sources on record",
        role=Role.OPERATOR,
        whole=True,
        answer=Imported,
        example={"certificates": "-----BEGIN CERTIFICATE-----\nMIIB…\n", "issuer": "old-ca"},
        tag="certificates",
    ),
)
