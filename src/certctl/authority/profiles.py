"""Certificate profiles of the store, inside a transaction: put one, remove one (policy §1)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from certctl.authority.commands import (
    DeleteCertificateProfile,
    ProfileChanged,
    PutCertificateProfile,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import Transaction
from certctl.settings.certificate_profiles import CertificateProfilesRefused, profile_of_document

MAX_PROFILES = 1_000

NamedBy = Mapping[str, Collection[str]]
"""EST profiles by the id of the certificate profile that they name and only the store has."""

TakeOver = Callable[[Sequence[StoredProfile]], None]
"""Told all stored profiles once a change of them is durable."""


def nobody(_: Sequence[StoredProfile]) -> None:
    """For a process that issues nothing."""


def put(
    command: PutCertificateProfile, transaction: Transaction, take_over: TakeOver, now_us: int
) -> Done:
    """Keep a profile, or replace it.

    Raises:
        Conflict: it is faulty, changed meanwhile, or one too many.
    """
    try:
        profile_of_document(command.profile_id, command.document)
    except CertificateProfilesRefused as refused:
        raise Conflict(str(refused)[:2_000]) from refused
    present = {each.id: each for each in transaction.stored_profiles()}
    before = present.get(command.profile_id)
    _require_version(command.profile_id, before, command.expected_version)
    if before is None and len(present) >= MAX_PROFILES:
        raise Conflict(f"there are {MAX_PROFILES} certificate profiles already")
    version = before.version + 1 if before else 1
    row = StoredProfile(
        id=command.profile_id, version=version, document=command.document, changed_us=now_us
    )
    transaction.put_profile(row)
    rows = tuple((present | {row.id: row}).values())
    return replace(
        _done(row.id, version, "put", actor=command.actor, now_us=now_us),
        after=partial(take_over, rows),
    )


def remove(
    command: DeleteCertificateProfile,
    transaction: Transaction,
    take_over: TakeOver,
    named_by: NamedBy,
    now_us: int,
) -> Done:
    """Remove a profile that no EST profile names.

    Raises:
        NotFound: there is none of that id in the store.
        Conflict: it is in use, or changed meanwhile.
    """
    present = {each.id: each for each in transaction.stored_profiles()}
    before = present.pop(command.profile_id, None)
    if before is None:
        raise NotFound(f"certificate profile {command.profile_id} in the store")
    _require_version(command.profile_id, before, command.expected_version)
    users = named_by.get(command.profile_id, ())
    if users:
        names = ", ".join(f'"{name}"' for name in sorted(users))
        raise Conflict(f"certificate profile {command.profile_id} is in use by EST profile {names}")
    transaction.delete_profile(command.profile_id)
    done = _done(command.profile_id, before.version, "deleted", actor=command.actor, now_us=now_us)
    return replace(done, after=partial(take_over, tuple(present.values())))


def _require_version(profile_id: str, before: StoredProfile | None, expected: int | None) -> None:
    found = before.version if before else 0
    if expected is not None and expected != found:
        raise Conflict(f"certificate profile {profile_id} is at version {found}, not {expected}")


def _done(profile_id: str, version: int, change: str, *, actor: str, now_us: int) -> Done:
    event = event_by(
        actor,
        AuditAction.CONFIG_CHANGED,
        now_us=now_us,
        resource_type="certificate_profile",
        resource_id=profile_id,
        details={"change": change, "version": version},
    )
    return Done(result=ProfileChanged(profile_id=profile_id, version=version), events=(event,))
