"""Certificate profiles through the ports: kept, replaced, removed, and the change noticed."""

from __future__ import annotations

from certctl.domain.certificate_profiles import StoredProfile
from tests.contract.conftest import Pair
from tests.contract.samples import NOW


def row(profile_id: str, *, version: int = 1, changed_us: int = NOW) -> StoredProfile:
    return StoredProfile(
        id=profile_id, version=version, document='{"name": "ü"}', changed_us=changed_us
    )


def put(pair: Pair, *rows: StoredProfile) -> None:
    with pair.store.transaction() as transaction:
        for each in rows:
            transaction.put_profile(each)


def test_what_is_put_is_read_on_both_sides(pair: Pair):
    assert pair.records.stored_profiles() == []
    put(pair, row("b"), row("a"))
    put(pair, row("a", version=2, changed_us=NOW + 1))
    wanted = [row("a", version=2, changed_us=NOW + 1), row("b")]
    assert list(pair.records.stored_profiles()) == wanted
    with pair.store.transaction() as transaction:
        assert list(transaction.stored_profiles()) == wanted


def test_each_change_changes_the_stamp(pair: Pair):
    seen = [pair.records.stored_profiles_stamp()]

    def look() -> None:
        seen.append(pair.records.stored_profiles_stamp())

    put(pair, row("a"))
    look()
    put(pair, row("a", version=2))  # in the same microsecond
    look()
    put(pair, row("b"))
    look()
    with pair.store.transaction() as transaction:
        transaction.delete_profile("b")
    look()
    put(pair, row("b", changed_us=NOW + 1))
    look()
    # Back at what it was before b came, and then b again, at another time.
    assert seen[4] == seen[2]
    assert len(set(seen)) == len(seen) - 1


def test_removing_what_is_not_there_is_nothing(pair: Pair):
    put(pair, row("a"))
    with pair.store.transaction() as transaction:
        transaction.delete_profile("b")
    assert [each.id for each in pair.records.stored_profiles()] == ["a"]
