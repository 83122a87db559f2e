"""Commands on stored certificate profiles: versions, faults, and what is in use."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    Command,
    CommandResult,
    DeleteCertificateProfile,
    ProfileChanged,
    PutCertificateProfile,
)
from certctl.authority.service import AuthorityService
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.errors import Conflict, Failure, NotFound
from tests.unit.authority.conftest import NOW_US, Workshop


def put(document: str = "{}", expected: int | None = None) -> PutCertificateProfile:
    return PutCertificateProfile(
        profile_id="cp", document=document, actor="host:tester", expected_version=expected
    )


def delete(expected: int | None = None) -> DeleteCertificateProfile:
    return DeleteCertificateProfile(profile_id="cp", actor="host:tester", expected_version=expected)


class Desk:
    """A service that counts how often it says that profiles changed."""

    def __init__(self, workshop: Workshop, **powers: object) -> None:
        self.changes = 0
        self.workshop = workshop
        self.service = AuthorityService(
            workshop.store,
            workshop.rules,
            node=workshop.store.node,
            clock=lambda: NOW_US,
            new_id=iter(f"{n:032x}" for n in range(99)).__next__,
            on_fault=workshop.faults.append,
            powers=Powers(profiles_changed=self._changed, **powers),  # type: ignore[arg-type]
        )

    def _changed(self, rows: Sequence[StoredProfile]) -> None:
        self.changes += 1
        # Durable by now: a reader sees the same.
        assert list(rows) == list(self.workshop.records().stored_profiles())
        self.seen = [each.version for each in rows]

    def do(self, command: Command) -> CommandResult | Failure:
        return self.service.execute(command)


def test_versions_rise_and_an_old_one_changes_nothing(workshop: Workshop) -> None:
    desk = Desk(workshop)
    assert desk.do(put(expected=0)) == ProfileChanged(profile_id="cp", version=1)
    assert isinstance(desk.do(put(expected=0)), Conflict)
    assert desk.do(put('{"max_sans": 1}', expected=1)) == ProfileChanged(profile_id="cp", version=2)
    assert isinstance(desk.do(put(expected=1)), Conflict)
    assert isinstance(desk.do(delete(expected=1)), Conflict)
    (kept,) = workshop.records().stored_profiles()
    assert (kept.version, kept.document, kept.changed_us) == (2, '{"max_sans": 1}', NOW_US)
    assert (desk.changes, desk.seen) == (2, [2])
    assert desk.do(delete(expected=2)) == ProfileChanged(profile_id="cp", version=2)
    assert isinstance(desk.do(delete()), NotFound)
    assert len(workshop.records().events()) == 3


@pytest.mark.parametrize("document", ["", "[]", '{"max_sans": -1}', '{"nonsense": 1}'])
def test_a_faulty_document_is_never_kept(workshop: Workshop, document: str) -> None:
    desk = Desk(workshop)
    assert isinstance(desk.do(put(document)), Conflict)
    assert not workshop.records().stored_profiles()
    assert desk.changes == 0


def test_one_in_use_is_not_removed(workshop: Workshop) -> None:
    desk = Desk(workshop, named_by=lambda: {"cp": ["corp", "iot"]})
    desk.do(put())
    refused = desk.do(delete())
    assert isinstance(refused, Conflict)
    assert '"corp", "iot"' in refused.what
    assert workshop.records().stored_profiles()
