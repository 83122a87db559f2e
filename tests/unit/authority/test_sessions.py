"""Sessions of the web pages in the authority: idle time, the longest life, log-out."""

from __future__ import annotations

import pytest

from certctl.authority.commands.sessions import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionDone,
)
from certctl.authority.sessions import carry_out_session_command
from certctl.domain.audit import AuditAction
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import NotFound
from certctl.domain.sessions import MOST_US, token_digest, token_text
from certctl.store import MemoryStore

NOW = 1_800_000_000 * SECOND_US
IDLE = 1_800 * SECOND_US
DIGEST = b"d" * 32


def carry_out(store: MemoryStore, command: object, now_us: int = NOW) -> tuple[int, list[str]]:
    """When the session ends now, and the actions on record."""
    with store.transaction() as transaction:
        done = carry_out_session_command(command, transaction, now_us)  # type: ignore[arg-type]
    assert isinstance(done.result, SessionDone)
    return done.result.expires_us, [each.action for each in done.events]


def opened(store: MemoryStore, digest: bytes = DIGEST, **more: object) -> tuple[int, list[str]]:
    command = OpenSession(
        digest=digest,
        key_id="k",
        actor="key:alice",
        idle_us=IDLE,
        **more,  # type: ignore[arg-type]
    )
    return carry_out(store, command)


def test_a_session_ends_when_nobody_has_used_it():
    store = MemoryStore()
    assert opened(store) == (NOW + IDLE, [AuditAction.LOGIN_SUCCESS])
    session = store.session(DIGEST)
    assert session is not None
    assert session.usable(NOW + IDLE - 1)
    assert not session.usable(NOW + IDLE)
    with pytest.raises(NotFound):
        carry_out(store, ExtendSession(digest=DIGEST, actor="key:alice", idle_us=IDLE), NOW + IDLE)


def test_use_moves_the_end_but_never_beyond_the_longest_life():
    store = MemoryStore()
    opened(store)
    now_us = NOW
    while now_us < NOW + MOST_US - IDLE:
        now_us += IDLE // 2
        expires_us, events = carry_out(
            store, ExtendSession(digest=DIGEST, actor="key:alice", idle_us=IDLE), now_us
        )
        assert expires_us == min(now_us + IDLE, NOW + MOST_US)
        assert events == []
    assert expires_us == NOW + MOST_US
    with pytest.raises(NotFound):
        carry_out(
            store, ExtendSession(digest=DIGEST, actor="key:alice", idle_us=IDLE), NOW + MOST_US
        )


def test_a_new_log_in_of_the_same_browser_ends_the_one_before():
    store = MemoryStore()
    opened(store)
    opened(store, b"e" * 32, replaced=DIGEST)
    assert store.session(DIGEST) is None
    assert store.session(b"e" * 32) is not None


def test_a_log_out_is_on_record_once():
    store = MemoryStore()
    opened(store)
    close = CloseSession(digest=DIGEST, actor="key:alice")
    assert carry_out(store, close) == (NOW, [AuditAction.LOGIN_ENDED])
    assert carry_out(store, close) == (NOW, [])


def test_sessions_that_have_ended_make_room():
    store = MemoryStore()
    opened(store)
    command = OpenSession(digest=b"e" * 32, key_id="k", actor="key:alice", idle_us=IDLE)
    carry_out(store, command, NOW + IDLE)
    assert store.session(DIGEST) is None


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "/", "ä" * 43])
def test_what_is_no_token_has_no_digest(text: str):
    assert token_digest(text) is None


def test_a_token_is_all_of_its_secret():
    assert len(token_text(bytes(32))) == 43
    assert token_digest(token_text(bytes(32))) != token_digest(token_text(b"\1" + bytes(31)))
