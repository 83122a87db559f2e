"""API keys and repeated writes, by the authority: one change, one event, one answer."""

from __future__ import annotations

import msgspec
import pytest

from certctl.authority.commands import ApiKeyDone, CreateApiKey, RevokeApiKey
from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from certctl.domain.errors import Conflict, KeyReused, NotFound
from certctl.domain.kept_answer import KEPT_US, Once, Origin
from tests.harness.replacing import replace
from tests.unit.authority.conftest import NOW_US, Workshop

ONCE = Once(key=b"k" * 32, request=b"r" * 32)
ORIGIN = Origin(source_address="192.0.2.9", request_id="abc", tls_version="TLSv1.3")


def create(number: int, **changes: object) -> CreateApiKey:
    command = CreateApiKey(
        key_id=f"{number:032x}",
        name="alice",
        role=Role.OPERATOR,
        digest=b"d" * 32,
        actor="key:root",
        tenant="north",
        profiles=("corp",),
    )
    return msgspec.structs.replace(command, **changes)


def events(workshop: Workshop) -> list[tuple[str, str, str, str]]:
    records = workshop.records()
    found = [each.event for each in records.events()]
    records.close()
    return [
        (each.action.value, each.resource_id[-1:], each.source_address, each.request_id)
        for each in found
    ]


def test_a_key_is_kept_and_revoked_once_with_an_event_each(workshop: Workshop):
    service = workshop.service
    assert isinstance(service.execute(create(1), origin=ORIGIN), ApiKeyDone)
    revoke = RevokeApiKey(key_id=f"{1:032x}", actor="key:root")
    first = service.execute(revoke)
    workshop.now_us += 5
    assert service.execute(revoke) == first == ApiKeyDone(f"{1:032x}", "alice", NOW_US)
    assert events(workshop) == [
        (AuditAction.API_KEY_CREATED, "1", "192.0.2.9", "abc"),
        (AuditAction.API_KEY_REVOKED, "1", "", ""),
    ]


@pytest.mark.parametrize(
    "changes", [{"name": "a b"}, {"name": ""}, {"name": "-x"}, {"expires_us": NOW_US}], ids=str
)
def test_a_key_that_could_not_be_used_is_refused(workshop: Workshop, changes: dict[str, object]):
    assert isinstance(workshop.service.execute(create(1, **changes)), Conflict)
    assert events(workshop) == []


def test_a_key_that_is_not_there_cannot_be_revoked(workshop: Workshop):
    command = RevokeApiKey(key_id="0" * 32, actor="key:root")
    assert isinstance(workshop.service.execute(command), NotFound)


def test_the_same_write_is_done_once_and_answered_as_before(workshop: Workshop):
    service = workshop.service
    first = service.execute(create(1), origin=ORIGIN, once=ONCE)
    assert service.execute(create(2), origin=ORIGIN, once=ONCE) == first
    # Also after a restart: it is on record.
    assert workshop.serve_again().execute(create(3), once=ONCE) == first
    assert [event[1] for event in events(workshop)] == ["1"]


def test_another_write_under_the_same_key_is_refused(workshop: Workshop):
    workshop.service.execute(create(1), once=ONCE)
    other = replace(ONCE, request=b"o" * 32)
    assert isinstance(workshop.service.execute(create(2), once=other), KeyReused)
    assert [event[1] for event in events(workshop)] == ["1"]


def test_a_write_that_was_refused_may_be_tried_again(workshop: Workshop):
    assert isinstance(workshop.service.execute(create(1, name=""), once=ONCE), Conflict)
    assert isinstance(workshop.service.execute(create(2), once=ONCE), ApiKeyDone)


def test_an_answer_is_kept_for_a_day(workshop: Workshop):
    workshop.service.execute(create(1), once=ONCE)
    workshop.now_us += KEPT_US - 1
    assert workshop.service.execute(create(2), once=ONCE) == ApiKeyDone(
        f"{1:032x}", "alice", NOW_US
    )
    workshop.now_us += 1
    workshop.service.execute(create(3), once=ONCE)
    assert [event[1] for event in events(workshop)] == ["1", "3"]
