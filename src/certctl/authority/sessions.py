"""Sessions of the web pages, inside a transaction: opened, extended, closed (operator §2)."""

from __future__ import annotations

from typing import assert_never

from certctl.authority.commands.sessions import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionCommand,
    SessionDone,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.errors import NotFound
from certctl.domain.ports import Transaction
from certctl.domain.sessions import Session, expiry

# Each log-in drops so many sessions that have ended.
FORGOTTEN = 50


def carry_out_session_command(
    command: SessionCommand, transaction: Transaction, now_us: int
) -> Done:
    """What a worker asks for about a session.

    Raises:
        NotFound: it is not there any more.
    """
    match command:
        case OpenSession():
            return _open(command, transaction, now_us)
        case ExtendSession():
            return _extend(command, transaction, now_us)
        case CloseSession():
            return _close(command, transaction, now_us)
    assert_never(command)


def _open(command: OpenSession, transaction: Transaction, now_us: int) -> Done:
    transaction.forget_sessions(now_us, FORGOTTEN)
    if command.replaced is not None:
        transaction.end_session(command.replaced)
    expires_us = expiry(opened_us=now_us, now_us=now_us, idle_us=command.idle_us)
    transaction.record_session(
        Session(
            digest=command.digest, key_id=command.key_id, opened_us=now_us, expires_us=expires_us
        )
    )
    event = _event(command, AuditAction.LOGIN_SUCCESS, now_us, key_id=command.key_id)
    return Done(result=SessionDone(expires_us), events=(event,))


def _extend(command: ExtendSession, transaction: Transaction, now_us: int) -> Done:
    """No event: it happens with every click."""
    session = transaction.session(command.digest)
    if session is None or not session.usable(now_us):
        raise NotFound("session")
    expires_us = expiry(opened_us=session.opened_us, now_us=now_us, idle_us=command.idle_us)
    transaction.extend_session(command.digest, expires_us)
    return Done(result=SessionDone(expires_us))


def _close(command: CloseSession, transaction: Transaction, now_us: int) -> Done:
    session = transaction.session(command.digest)
    if session is None:
        return Done(result=SessionDone(now_us))
    transaction.end_session(command.digest)
    event = _event(command, AuditAction.LOGIN_ENDED, now_us, key_id=session.key_id)
    return Done(result=SessionDone(now_us), events=(event,))


def _event(
    command: OpenSession | CloseSession, action: AuditAction, now_us: int, *, key_id: str
) -> AuditEvent:
    return event_by(
        command.actor,
        action,
        now_us=now_us,
        resource_type="session",
        # Part of a digest: tells sessions apart, and opens none.
        resource_id=command.digest.hex()[:16],
        details={"key_id": key_id},
        tenant=command.tenant,
    )
