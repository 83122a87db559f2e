"""Certificate profiles, the rules of issuing: ``/profiles`` (policy §1)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Path
from pydantic import BaseModel, Field

from certctl.authority.commands import (
    DeleteCertificateProfile,
    ProfileChanged,
    PutCertificateProfile,
)
from certctl.domain.api_keys import Role
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.errors import NotFound
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.settings.certificate_profiles import CertificateProfilesRefused, profile_of_document
from certctl.settings.findings import Finding
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Listing, Strict
from certctl.web.api.problems import ApiRefused, FieldFault
from certctl.web.api.services import Api, Ask, Services

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
ProfileId = Annotated[str, Path(pattern=NAME, description="Lower-case letters, digits, dashes.")]
Document = dict[str, Any]


class ProfileOut(BaseModel):
    """A certificate profile in force.

    ``origin`` is builtin, file or store. ``rules`` are all its rules, defaults included;
    ``document`` is what was written, where the store keeps it.
    """

    id: str
    origin: str
    enabled: bool
    version: int | None
    document: Document | None
    rules: Document


class NewProfile(Strict):
    """``document`` has the fields of docs/reference/certificate-profiles.md."""

    id: str = Field(pattern=NAME)
    document: Document


class ChangedProfile(Strict):
    """``expected_version``: what it is changed from; 0: there is none yet."""

    document: Document
    expected_version: int | None = Field(default=None, ge=0, le=2**53)


class ProfileChange(BaseModel):
    id: str
    version: int


async def list_profiles(api: Api) -> Listing[ProfileOut]:
    """All certificate profiles; files win over the store."""
    known = await known_profiles(api)
    shown = [_shown(each) for _, each in sorted(known.items())]
    return Listing(data=shown, total=len(shown), next_cursor=None)


async def show_profile(profile_id: ProfileId, api: Api) -> ProfileOut:
    """One certificate profile."""
    known = (await known_profiles(api)).get(profile_id)
    if known is None:
        raise NotFound(f"certificate profile {profile_id}")
    return _shown(known)


async def create_profile(body: NewProfile, ask: Ask) -> ProfileChange:
    """Keep a new certificate profile in the store; it holds within a second."""
    return await _put(body.id, body.document, 0, ask)


async def put_profile(profile_id: ProfileId, body: ChangedProfile, ask: Ask) -> ProfileChange:
    """Keep a certificate profile in the store, or replace it; it holds within a second."""
    return await _put(profile_id, body.document, body.expected_version, ask)


async def delete_profile(profile_id: ProfileId, ask: Ask) -> ProfileChange:
    """Remove a certificate profile of the store that no EST profile names."""
    command = DeleteCertificateProfile(profile_id=profile_id, actor=ask.caller.actor)
    done = await ask.do(command, ProfileChanged)
    return ProfileChange(id=done.profile_id, version=done.version)


async def _put(
    profile_id: str, document: Document, expected_version: int | None, ask: Ask
) -> ProfileChange:
    text = checked(profile_id, document)
    command = PutCertificateProfile(
        profile_id=profile_id,
        document=text,
        actor=ask.caller.actor,
        expected_version=expected_version,
    )
    done = await ask.do(command, ProfileChanged)
    return ProfileChange(id=done.profile_id, version=done.version)


def checked(profile_id: str, document: Document) -> str:
    """The document as JSON. Raises ApiRefused with every fault and its field."""
    try:
        text = json.dumps(document, allow_nan=False)
        profile_of_document(profile_id, text)
    except ValueError as err:
        raise ApiRefused(422, "The document cannot be used.", remedy="Leave out NaN.") from err
    except CertificateProfilesRefused as refused:
        faults = [FieldFault(field=_place(each), problem=_told(each)) for each in refused.findings]
        raise ApiRefused(
            422, "The certificate profile cannot be used.", error="invalid_profile", faults=faults
        ) from refused
    return text


def _place(fault: Finding) -> str:
    """Where a fault is in what was sent, written as the API's other faults are."""
    if fault.field == "id":
        return "body.id"
    return f"body.document.{fault.field}" if fault.field else "body.document"


def _told(fault: Finding) -> str:
    takes = f"; it takes {fault.allowed}" if fault.allowed else ""
    return f"{fault.problem}{takes}; {fault.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProfile:
    """A certificate profile; ``stored`` where it is the store's."""

    profile: CertificateProfile
    origin: str
    stored: StoredProfile | None


async def known_profiles(api: Services) -> dict[str, KnownProfile]:
    """All by id, the store's as it is now: who has changed one sees the change at once,
    though the workers take up to a second to issue by it. One that this version cannot
    read is left out, as it is where certificates are issued.
    """
    known = {
        DEFAULT_PROFILE.id: KnownProfile(profile=DEFAULT_PROFILE, origin="builtin", stored=None)
    }
    for row in await api.read(lambda records: records.stored_profiles()):
        try:
            profile = profile_of_document(row.id, row.document)
        except CertificateProfilesRefused:
            continue
        known[row.id] = KnownProfile(profile=profile, origin="store", stored=row)
    for profile_id, profile in api.certificate_profiles.items():
        if api.certificate_profiles.is_file(profile_id):
            known[profile_id] = KnownProfile(profile=profile, origin="file", stored=None)
    return known


def _shown(known: KnownProfile) -> ProfileOut:
    return ProfileOut(
        id=known.profile.id,
        origin=known.origin,
        enabled=known.profile.enabled,
        version=known.stored.version if known.stored else None,
        document=json.loads(known.stored.document) if known.stored else None,
        rules=_rules(known.profile),
    )


def _rules(profile: CertificateProfile) -> Document:
    """Every field as plain values; what is no plain value by its own text."""
    return dict(msgspec.to_builtins(profile, enc_hook=str, str_keys=True))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/profiles",
        handler=list_profiles,
        summary="Certificate profiles",
        role=Role.VIEWER,
        answer=Listing[ProfileOut],
        tag="certificate profiles",
    ),
    Endpoint(
        method="POST",
        path="/profiles",
        handler=create_profile,
        summary="Make a certificate profile",
        role=Role.ADMIN,
        whole=True,
        answer=ProfileChange,
        status=201,
        example={"id": "cp-iot", "document": {"max_ttl_seconds": 2592000}},
        tag="certificate profiles",
    ),
    Endpoint(
        method="GET",
        path="/profiles/{profile_id}",
        handler=show_profile,
        summary="One certificate profile",
        role=Role.VIEWER,
        answer=ProfileOut,
        tag="certificate profiles",
    ),
    Endpoint(
        method="PUT",
        path="/profiles/{profile_id}",
        handler=put_profile,
        summary="Make or replace a certificate profile",
        role=Role.ADMIN,
        whole=True,
        answer=ProfileChange,
        example={"document": {"max_ttl_seconds": 2592000}, "expected_version": 1},
        tag="certificate profiles",
    ),
    Endpoint(
        method="DELETE",
        path="/profiles/{profile_id}",
        handler=delete_profile,
        summary="Remove a certificate profile",
        role=Role.ADMIN,
        whole=True,
        answer=ProfileChange,
        tag="certificate profiles",
    ),
)
