"""Every way into the inventory walks its own index, sorts nothing, and is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection

from certctl.domain.certificates import CertificateSource
from certctl.domain.inventory import CertificateFilter, NameMatch, WantedStatus
from certctl.store import open_writable
from certctl.store.list_order import Place
from certctl.store.queries import inventory
from certctl.store.queries.drivers import drivers
from certctl.store.queries.issuers import unexpired_number
from tests.contract.samples import DAY, NOW, certificate, digest

GROUPS = "ix_certificates_profile_certificate_profile_issuer_id_id"
EXPIRY = "ix_certificates_not_after_us_id"
NAMES = "certificate_names USING PRIMARY KEY"
IDS = "sqlite_autoindex_certificates_1"

WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, IDS),
    "issued": ({"issued_from_us": NOW, "issued_before_us": NOW + 1}, IDS),
    "serial": ({"serial": "0a"}, "sqlite_autoindex_certificates_2"),
    "fingerprint": ({"fingerprint": digest("x")}, "ix_certificates_fingerprint"),
    "key": ({"spki_sha256": digest("x")}, "ix_certificates_spki_sha256"),
    "cn": ({"cn": NameMatch(text="a")}, NAMES),
    "principal beginning": ({"principal": NameMatch.parse("a*")}, NAMES),
    "revoked": ({"status": WantedStatus.REVOKED}, "ix_certificates_revoked"),
    "hold": ({"status": WantedStatus.HOLD}, "ix_certificates_on_hold"),
    "expired": ({"status": WantedStatus.EXPIRED}, EXPIRY),
    "expiry": ({"expires_from_us": 1, "expires_before_us": NOW + 99}, EXPIRY),
    "source": ({"source": CertificateSource.API}, "ix_certificates_not_est"),
    "tenant": ({"tenant": "acme"}, "ix_certificates_tenant"),
    "profile": ({"profile": "demo"}, GROUPS),
    "certificate profile": ({"certificate_profile": "default"}, GROUPS),
    "issuer": ({"issuer_id": "iss-local"}, GROUPS),
}

SINGLE = {"serial", "fingerprint", "key"}
"""Ways of a row or two, which need no place to begin at."""


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.record_certificates([certificate(n) for n in range(30)])
    store.close()
    engine = create_engine(url)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.mark.parametrize("after", ["", "after"])
@pytest.mark.parametrize("name", WAYS)
def test_it_walks_its_index(connection: Connection, name: str, after: Any):
    given, index = WAYS[name]
    wanted = CertificateFilter(**given)
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    for oldest_first in (False, True):
        walk = drivers(wanted, NOW, oldest_first=oldest_first).walk
        key = b"" if "beginning" in name else 0
        walk(connection, Place(key, "5" * 32) if after else None, 10)
    event.remove(connection, "before_cursor_execute", note)
    assert asked
    for statement, parameters in asked:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [row[3] for row in plan.fetchall()]
        assert index in steps[0], (statement, steps)
        # A number or a digest has a row or two; nothing else may be sorted for a page.
        assert len(steps) == 1 or name in SINGLE, (statement, steps)
        # A whole index is walked from its end only where all of it was asked for, or for
        # the first group in it.
        whole = name in {"nothing", "revoked", "hold"} and not after
        first_group = index == GROUPS and "LIMIT 1 " in statement
        assert steps[0].startswith("SEARCH") or whole or first_group, (statement, steps)
        assert " LIMIT " in statement
        # The walk begins at its place: a filter on the id would look at all before it.
        if after and "LIMIT 1 " not in statement and name not in SINGLE:
            assert re.search(r"\b(certificate_)?id\)?[<>]", steps[0]), (statement, steps)


def test_rows_are_read_by_their_ids(connection: Connection):
    (plan,) = connection.exec_driver_sql(
        f"EXPLAIN QUERY PLAN {inventory._by_id(connection.dialect, 4)}",
        ("a", "b", "c", "d"),
    ).fetchall()
    assert f"USING INDEX {IDS} (id=?)" in plan[3]


def test_a_page_looks_at_no_more_than_it_may(connection: Connection, monkeypatch: Any):
    """With nothing to be found, each page ends at its bound and names the next."""
    monkeypatch.setattr(inventory, "LOOKED_AT", 7)
    monkeypatch.setattr(inventory, "FEW", 3)
    wanted = CertificateFilter(profile="demo", principal=NameMatch.parse("device-2*"), serial=None)
    rows: list[str] = []
    pages, cursor = 0, None
    while True:
        page = inventory.search(connection, wanted, NOW, limit=3, cursor=cursor, oldest_first=False)
        rows += [each.principal for each in page.rows]
        pages += 1
        cursor = page.cursor
        if cursor is None:
            break
    assert rows == sorted(f"device-{n}" for n in (2, *range(20, 30)))
    assert pages > 3
    # By then all have expired.
    valid = CertificateFilter(status=WantedStatus.VALID)
    empty = inventory.search(
        connection, valid, NOW + 9 * DAY, limit=3, cursor=None, oldest_first=False
    )
    assert (empty.rows, empty.cursor is None) == ((), False)


def test_the_unexpired_of_an_issuer_are_looked_at_by_index_and_bounded(connection: Connection):
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    # All have expired, and there are more than may be looked at: both ways are gone.
    assert unexpired_number(connection, "iss-local", NOW + 2 * DAY, 7) == 0
    event.remove(connection, "before_cursor_execute", note)
    used = set()
    for statement, parameters in asked:
        assert " LIMIT " in statement
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [row[3] for row in plan.fetchall()]
        assert not [step for step in steps if "TEMP B-TREE" in step], (statement, steps)
        walks = [step for step in steps if "certificates" in step]
        used |= {index for index in (GROUPS, EXPIRY) if index in walks[0]}
        assert len(walks) == 1
        assert walks[0].startswith("SEARCH") or "LIMIT 1 " in statement, (statement, steps)
    assert used == {GROUPS, EXPIRY}
