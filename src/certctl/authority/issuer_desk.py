"""Issuers inside a transaction: tried, made, given their certificate, switched, deleted.

The CA key is made here, leaves only sealed, and no CA is ever put in the place of another:
an id stands for one certificate for good (issuers §4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from cryptography import x509
from msgspec import structs

from certctl.authority.background import Background
from certctl.authority.commands.issuers import (
    ChangeIssuer,
    CreateIssuer,
    DeleteIssuer,
    InstallIssuer,
    IssuerChanged,
    IssuerCommand,
    IssuerTested,
    TestIssuer,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.clock import Clock
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import CanTry, IssuerVault, Transaction, VaultRefused
from certctl.domain.profiles import profile_name
from certctl.domain.stored_issuers import IssuerState, LastTrial, StoredIssuer, Trial

MAX_ISSUERS = 100
"""Rows, deleted ones too: each live one has a CRL, a responder and a key in memory."""

MOST_LOOKED_AT = 20_000
"""Certificates, before one is deleted; the authority serves nobody meanwhile."""

NO_KEY = (
    "issuers of the store are encrypted, and this server has no key for that: set"
    " CERTCTL_CONFIG_ENCRYPTION_KEY_FILE, the same on every node, and start it anew"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerDesk:
    """What commands about issuers stand on.

    Attributes:
        known: every issuer of this node by id, as it is now.
        named_by: path IDs of the EST profiles that name an issuer.
        set_by: the variable that makes an issuer, of those of the settings.
        vault: None where there is no config key.
        take_over: called when a change of the stored issuers is durable.
    """

    known: Mapping[str, object]
    clock: Clock
    named_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    set_by: Mapping[str, str] = field(default_factory=dict)
    vault: IssuerVault | None = None
    take_over: Callable[[], None] = lambda: None
    background: Background = field(default_factory=Background)


def carry_out_issuer_command(
    command: IssuerCommand, transaction: Transaction, desk: IssuerDesk | None, now_us: int
) -> Done:
    """What somebody asks for about an issuer.

    Raises:
        NotFound: there is no such issuer.
        Conflict: it cannot be done as things are; says why, and what to do.
        InProgress: its slow part is under way.
    """
    if desk is None:
        raise Conflict("no server runs here: issuers are made and tried by a running one")
    match command:
        case TestIssuer():
            return _test(command, transaction, desk, now_us)
        case CreateIssuer():
            return _create(command, transaction, desk, now_us)
        case InstallIssuer():
            return _install(command, transaction, desk, now_us)
        case ChangeIssuer():
            return _change(command, transaction, desk, now_us)
        case DeleteIssuer():
            return _delete(command, transaction, desk, now_us)
    assert_never(command)


def _test(command: TestIssuer, transaction: Transaction, desk: IssuerDesk, now_us: int) -> Done:
    issuer = desk.known.get(command.issuer_id)
    if not isinstance(issuer, CanTry):
        raise NotFound(f"issuer {command.issuer_id} that could be tried")

    def work() -> tuple[Trial, int]:
        began_us = desk.clock()
        trial = issuer.trial(now_us=began_us)
        return trial, max(0, desk.clock() - began_us)

    trial, took_us = desk.background.result(("test", command.test_id, command.issuer_id), work)
    transaction.note_trial(
        LastTrial(
            issuer_id=command.issuer_id,
            tested_us=now_us,
            took_us=took_us,
            tried=trial.tried,
            problem=trial.problem,
            remedy=trial.remedy,
        )
    )
    details = {"tried": trial.tried, "milliseconds": took_us // 1_000}
    if not trial.ok:
        details |= {"problem": trial.problem, "remedy": trial.remedy}
    event = event_by(
        command.actor,
        AuditAction.ISSUER_TESTED,
        now_us=now_us,
        resource_type="issuer",
        resource_id=command.issuer_id,
        details=details,
    )
    if not trial.ok:
        event = structs.replace(event, outcome=Outcome.FAILURE)
    result = IssuerTested(trial=trial, tested_us=now_us, took_us=took_us)
    return Done(result=result, events=(event,))


def _create(command: CreateIssuer, transaction: Transaction, desk: IssuerDesk, now_us: int) -> Done:
    vault, issuer_id = _vault(desk), command.issuer_id
    _refuse_settings(issuer_id, desk)
    rows = transaction.stored_issuers()
    if any(row.id == issuer_id for row in rows):
        raise Conflict(f"issuer {issuer_id} is there already, or was and is deleted: its id stays")
    if transaction.ca_fingerprint(issuer_id) is not None:
        raise Conflict(f"the id {issuer_id} has stood for another CA: choose another one")
    if len(rows) >= MAX_ISSUERS:
        raise Conflict(f"there are {MAX_ISSUERS} issuers already, deleted ones counted")
    secret = desk.background.result(
        ("key", issuer_id, command.key_type, command.actor),
        lambda: vault.make_key(command.key_type.value),
    )
    chain: tuple[bytes, ...] = ()
    csr = b""
    if command.subordinate:
        csr = vault.request(secret, issuer_id=issuer_id, common_name=command.common_name)
    else:
        root = vault.root_certificate(
            secret, issuer_id=issuer_id, common_name=command.common_name, now_us=now_us
        )
        chain = (root,)
        transaction.bind_ca(issuer_id, hashlib.sha256(chain[0]).digest())
    row = StoredIssuer(
        id=issuer_id,
        version=1,
        type="local",
        display_name=command.display_name,
        state=IssuerState.PENDING if command.subordinate else IssuerState.ENABLED,
        key_type=command.key_type.value,
        validity_s=command.validity_s,
        chain=chain,
        csr_der=csr,
        created_us=now_us,
        created_by=command.actor,
        changed_us=now_us,
    )
    transaction.put_issuer(row, vault.seal(row, secret))
    return _changed(row, "created", command.actor, desk, now_us)


def _install(
    command: InstallIssuer, transaction: Transaction, desk: IssuerDesk, now_us: int
) -> Done:
    row = _row(command.issuer_id, transaction, desk)
    vault = _vault(desk)
    if row.state is not IssuerState.PENDING:
        raise Conflict(
            f"issuer {row.id} has its certificate; a CA is never exchanged under the EST profiles"
            " that name it: make another issuer, and move them there"
        )
    secret = _opened(row, vault, transaction)
    try:
        vault.check_chain(secret, command.chain, now_us=now_us)
    except VaultRefused as refused:
        raise Conflict(f"the certificate cannot be used: {refused}") from refused
    transaction.bind_ca(row.id, hashlib.sha256(command.chain[0]).digest())
    changed = replace(
        row,
        version=row.version + 1,
        state=IssuerState.ENABLED,
        chain=command.chain,
        changed_us=now_us,
    )
    transaction.put_issuer(changed, vault.seal(changed, secret))
    return _changed(changed, "certificate installed", command.actor, desk, now_us)


def _change(command: ChangeIssuer, transaction: Transaction, desk: IssuerDesk, now_us: int) -> Done:
    row = _row(command.issuer_id, transaction, desk)
    vault = _vault(desk)
    _require_version(row, command.expected_version)
    state, change = row.state, "renamed"
    if command.enabled is not None:
        if row.state is IssuerState.PENDING:
            raise Conflict(f"issuer {row.id} waits for its certificate: install that first")
        state = IssuerState.ENABLED if command.enabled else IssuerState.DISABLED
        change = state.value if state is not row.state else change
    name = row.display_name if command.display_name is None else command.display_name
    if (state, name) == (row.state, row.display_name):
        return Done(result=IssuerChanged(issuer_id=row.id, version=row.version, state=row.state))
    secret = _opened(row, vault, transaction)
    changed = replace(
        row, version=row.version + 1, state=state, display_name=name, changed_us=now_us
    )
    transaction.put_issuer(changed, vault.seal(changed, secret))
    return _changed(changed, change, command.actor, desk, now_us)


def _delete(command: DeleteIssuer, transaction: Transaction, desk: IssuerDesk, now_us: int) -> Done:
    row = _row(command.issuer_id, transaction, desk)
    _require_version(row, command.expected_version)
    users = desk.named_by.get(row.id, ())
    if users:
        names = ", ".join(f'"{profile_name(each)}"' for each in sorted(users))
        raise Conflict(f"issuer {row.id} is in use by EST profile {names}")
    number = transaction.unexpired_number(row.id, now_us, MOST_LOOKED_AT)
    if number is None:
        raise Conflict(
            f"issuer {row.id} has so many certificates that it cannot be told here whether all"
            " have expired: disable it instead"
        )
    if number:
        more = " or more" if number >= MOST_LOOKED_AT else ""
        raise Conflict(
            f"issuer {row.id} has {number:,}{more} certificates that have not expired, and their"
            " CRL and OCSP answers need its key: disable it instead"
        )
    gone = replace(row, version=row.version + 1, state=IssuerState.DELETED, changed_us=now_us)
    transaction.put_issuer(gone, b"")
    return _changed(gone, "deleted", command.actor, desk, now_us)


def _vault(desk: IssuerDesk) -> IssuerVault:
    if desk.vault is None:
        raise Conflict(NO_KEY)
    return desk.vault


def _refuse_settings(issuer_id: str, desk: IssuerDesk) -> None:
    variable = desk.set_by.get(issuer_id)
    if variable is not None:
        raise Conflict(f"issuer {issuer_id} is set on the host, by {variable}: change it there")


def _row(issuer_id: str, transaction: Transaction, desk: IssuerDesk) -> StoredIssuer:
    _refuse_settings(issuer_id, desk)
    for row in transaction.stored_issuers():
        if row.id == issuer_id and row.state is not IssuerState.DELETED:
            return row
    raise NotFound(f"issuer {issuer_id} in the store")


def _require_version(row: StoredIssuer, expected: int | None) -> None:
    if expected is not None and expected != row.version:
        raise Conflict(f"issuer {row.id} is at version {row.version}, not {expected}")


def _opened(row: StoredIssuer, vault: IssuerVault, transaction: Transaction) -> bytes:
    try:
        return vault.open(row, transaction.sealed_issuers()[row.id])
    except VaultRefused as refused:
        raise Conflict(f"issuer {row.id} cannot be changed: {refused}") from refused


def _changed(row: StoredIssuer, change: str, actor: str, desk: IssuerDesk, now_us: int) -> Done:
    result = IssuerChanged(issuer_id=row.id, version=row.version, state=row.state)
    event = _event(row, change, actor, now_us)
    return Done(result=result, events=(event,), after=desk.take_over)


def _event(row: StoredIssuer, change: str, actor: str, now_us: int) -> AuditEvent:
    details: dict[str, str | int | list[str]] = {
        "change": change,
        "version": row.version,
        "display_name": row.display_name,
        "key_type": row.key_type,
    }
    if row.chain:
        certificate = x509.load_der_x509_certificate(row.chain[0])
        details |= {
            "subject": certificate.subject.rfc4514_string(),
            "sha256": hashlib.sha256(row.chain[0]).hexdigest(),
        }
    return event_by(
        actor,
        AuditAction.CONFIG_CHANGED,
        now_us=now_us,
        resource_type="issuer",
        resource_id=row.id,
        details=details,
    )
