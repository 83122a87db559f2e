"""The authority's own judgement on commands about issuers, whatever a worker has let through."""

from __future__ import annotations

from concurrent.futures import wait

import pytest

from certctl.authority import issuer_desk
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
from certctl.authority.issuer_desk import IssuerDesk, carry_out_issuer_command
from certctl.domain.audit import AuditAction, Outcome
from certctl.domain.errors import Conflict, InProgress, NotFound
from certctl.domain.stored_issuers import IssuerState, Trial
from certctl.issuers.vault import IssuerVault
from certctl.issuers.withheld import WithheldIssuer
from certctl.settings.schema import CaKeyType
from certctl.store import MemoryStore
from tests.harness.replacing import replace

NOW_US = 1_800_000_000_000_000
ACTOR = "key:root"
VAULT = IssuerVault(bytes(range(32)))


def create(issuer_id: str, **more: object) -> CreateIssuer:
    fields: dict[str, object] = {
        "issuer_id": issuer_id,
        "display_name": issuer_id,
        "key_type": CaKeyType.P256,
        "validity_s": 60,
        "actor": ACTOR,
    }
    return CreateIssuer(**(fields | more))  # type: ignore[arg-type]


class Office:
    """A store and a desk; ``told`` counts how often the change was taken over."""

    def __init__(self, **desk: object) -> None:
        self.store = MemoryStore()
        self.told = 0
        known = {"vault": VAULT, "known": {}, "clock": lambda: NOW_US, "take_over": self._tell}
        self.desk = IssuerDesk(**(known | desk))  # type: ignore[arg-type]

    def do(self, command: IssuerCommand) -> Done:
        while True:
            try:
                with self.store.transaction() as transaction:
                    done = carry_out_issuer_command(command, transaction, self.desk, NOW_US)
            except InProgress:
                wait([*self.desk.background._begun.values()], timeout=10)
                continue
            if done.after is not None:
                done.after()
            return done

    def _tell(self) -> None:
        self.told += 1


COMMANDS: tuple[IssuerCommand, ...] = (
    create("a"),
    InstallIssuer(issuer_id="a", chain=(b"0",), actor=ACTOR),
    ChangeIssuer(issuer_id="a", actor=ACTOR, enabled=False),
)


def test_without_a_config_key_nothing_is_kept() -> None:
    office = Office(vault=None)
    with pytest.raises(Conflict, match="CERTCTL_CONFIG_ENCRYPTION_KEY_FILE"):
        office.do(create("a"))
    assert office.store.stored_issuers() == []


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda each: type(each).__name__)
def test_without_a_config_key_nothing_is_changed(command: IssuerCommand) -> None:
    office = Office()
    office.do(create("a"))
    kept = office.store.stored_issuers()
    office.desk = replace(office.desk, vault=None)
    with pytest.raises(Conflict, match="CERTCTL_CONFIG_ENCRYPTION_KEY_FILE"):
        office.do(command)
    assert office.store.stored_issuers() == kept


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda each: type(each).__name__)
def test_an_issuer_nobody_made_is_not_found(command: IssuerCommand) -> None:
    with pytest.raises(NotFound, match="issuer a"):
        Office(vault=None).do(command)


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, DeleteIssuer(issuer_id="a", actor=ACTOR)],
    ids=lambda each: type(each).__name__,
)
def test_issuers_of_the_settings_are_not_touched(command: IssuerCommand) -> None:
    with pytest.raises(Conflict, match="CERTCTL_ISSUER_A_TYPE"):
        Office(set_by={"a": "CERTCTL_ISSUER_A_TYPE"}).do(command)


def test_where_no_server_runs_nothing_is_done() -> None:
    with MemoryStore().transaction() as transaction, pytest.raises(Conflict, match="no server"):
        carry_out_issuer_command(create("a"), transaction, None, NOW_US)


def test_an_id_that_stood_for_a_ca_is_given_to_no_other() -> None:
    office = Office()
    office.store.bind_ca("a", bytes(32))
    with pytest.raises(Conflict, match="another CA"):
        office.do(create("a"))


def test_there_are_not_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_desk, "MAX_ISSUERS", 1)
    office = Office()
    office.do(create("a"))
    with pytest.raises(Conflict, match="1 issuers already"):
        office.do(create("b"))


def test_a_life_of_an_issuer_is_told_event_by_event() -> None:
    office = Office(named_by={"b": ["corp"]})
    made = office.do(create("a"))
    assert made.result == IssuerChanged(issuer_id="a", version=1, state=IssuerState.ENABLED)
    (event,) = made.events
    assert (event.action, event.resource_type, event.resource_id, event.actor) == (
        AuditAction.CONFIG_CHANGED,
        "issuer",
        "a",
        ACTOR,
    )
    assert event.details["change"] == "created"
    assert "certctl CA a" in str(event.details["subject"])
    same = office.do(ChangeIssuer(issuer_id="a", actor=ACTOR, enabled=True))
    assert same.events == ()
    off = office.do(ChangeIssuer(issuer_id="a", actor=ACTOR, enabled=False))
    assert off.events[0].details["change"] == "disabled"
    with pytest.raises(Conflict, match="version 2, not 1"):
        office.do(DeleteIssuer(issuer_id="a", actor=ACTOR, expected_version=1))
    gone = office.do(DeleteIssuer(issuer_id="a", actor=ACTOR, expected_version=2))
    assert gone.result == IssuerChanged(issuer_id="a", version=3, state=IssuerState.DELETED)
    assert office.told == 3
    with pytest.raises(NotFound):
        office.do(DeleteIssuer(issuer_id="a", actor=ACTOR))
    office.do(create("b"))
    with pytest.raises(Conflict, match='EST profile "corp"'):
        office.do(DeleteIssuer(issuer_id="b", actor=ACTOR))


def test_each_key_opens_with_the_row_as_it_stands_now() -> None:
    office = Office()
    office.do(create("a"))
    office.do(ChangeIssuer(issuer_id="a", actor=ACTOR, display_name="x"))
    (row,) = office.store.stored_issuers()
    with office.store.transaction() as transaction:
        assert VAULT.open(row, transaction.sealed_issuers()["a"])


def issuer(trial: Trial) -> WithheldIssuer:
    return WithheldIssuer("a", (), why="here for its trial", trial=lambda _: trial)


def test_a_trial_is_on_record_with_what_came_of_it() -> None:
    good = Trial(tried="all", chain=(b"0",))
    bad = Trial(tried="all", chain=(), problem="it is off", remedy="switch it on")
    for trial, outcome in ((good, Outcome.SUCCESS), (bad, Outcome.FAILURE)):
        office = Office(known={"a": issuer(trial)})
        done = office.do(TestIssuer(issuer_id="a", test_id="1", actor=ACTOR))
        assert done.result == IssuerTested(trial=trial, tested_us=NOW_US, took_us=0)
        (event,) = done.events
        assert (event.action, event.outcome) == (AuditAction.ISSUER_TESTED, outcome)
        assert event.details.get("problem", "") == trial.problem
        assert office.store.issuer_trials()["a"].problem == trial.problem
        assert office.told == 0


@pytest.mark.parametrize("known", [{}, {"a": object()}])
def test_what_cannot_be_tried_is_not_there(known: dict[str, object]) -> None:
    with pytest.raises(NotFound):
        Office(known=known).do(TestIssuer(issuer_id="a", test_id="1", actor=ACTOR))
