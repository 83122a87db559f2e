"""Copies of CRLs in a worker: whole or not at all, and kept for who reads."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from certctl.domain.crl import CrlRecord, CrlSeal
from certctl.domain.errors import StoreUnavailable
from certctl.store import MemoryStore
from certctl.web.crl_shelf import CrlShelf

ISSUER = "iss-local"
SEAL = CrlSeal(front=b"<front>", back=b"<back>")


def publish(store: MemoryStore, number: int, parts: list[bytes], *, digest: bytes = b"") -> bytes:
    whole = SEAL.around(b"".join(parts))
    with store.transaction() as transaction:
        for part, octets in enumerate(parts):
            transaction.put_crl_part(ISSUER, number, part, octets)
        transaction.publish_crl(
            CrlRecord(
                scope=ISSUER,
                number=number,
                before=0,
                this_update_us=0,
                next_update_us=1,
                scheduled_us=0,
                listed_us=0,
                stamp="0",
                seal=SEAL,
                parts=len(parts),
                size=len(whole),
                digest=digest or hashlib.sha256(b"".join(parts)).digest(),
            )
        )
    return whole


def shelved(shelf: CrlShelf) -> bytes | None:
    crl = shelf.find(ISSUER)
    if crl is None:
        return None
    # In pieces that fit nothing.
    size = crl.record.size
    return b"".join(crl.octets.read(at, 7) for at in range(0, size, 7))


def look(shelf: CrlShelf) -> tuple[str, ...]:
    return asyncio.run(shelf.look())


def test_small_and_large_ones_are_copied_whole(tmp_path: Path):
    store = MemoryStore()
    shelf = CrlShelf([ISSUER], store, tmp_path)
    assert look(shelf) == ()
    assert shelved(shelf) is None
    for number, parts in ((1, [b"small"]), (2, [b"one" * 100, b"two" * 100, b"three"])):
        whole = publish(store, number, parts)
        assert look(shelf) == ()
        assert shelved(shelf) == whole
    assert list(tmp_path.iterdir()) == [], "the file has no name"
    assert shelf.find("other") is None


def test_who_reads_an_old_one_goes_on_with_it(tmp_path: Path):
    store = MemoryStore()
    shelf = CrlShelf([ISSUER], store, tmp_path)
    whole = publish(store, 1, [b"a" * 1_000, b"b" * 1_000])
    look(shelf)
    old = shelf.find(ISSUER)
    assert old is not None
    publish(store, 2, [b"new"])
    with store.transaction() as transaction:
        transaction.drop_crl_parts(ISSUER, 2, 9)
    look(shelf)
    assert shelf.find(ISSUER) is not old
    assert old.octets.read(0, len(whole)) == whole


def test_what_is_not_what_was_signed_is_not_served(tmp_path: Path):
    store = MemoryStore()
    shelf = CrlShelf([ISSUER], store, tmp_path)
    whole = publish(store, 1, [b"good"])
    look(shelf)
    publish(store, 2, [b"changed"], digest=bytes(32))
    assert look(shelf) == (ISSUER,)
    assert shelved(shelf) == whole
    publish(store, 3, [b"one", b"two"])
    with store.transaction() as transaction:
        transaction.drop_crl_parts(ISSUER, 4, 1)
        transaction.drop_crl_parts(ISSUER, 4, 1)
        transaction.drop_crl_parts(ISSUER, 4, 1)
    assert look(shelf) == (ISSUER,)
    assert shelved(shelf) == whole


def test_a_store_that_is_away_changes_nothing(tmp_path: Path):
    class Away(MemoryStore):
        def crl(self, issuer_id: str) -> CrlRecord | None:
            raise StoreUnavailable(issuer_id)

    store = MemoryStore()
    whole = publish(store, 1, [b"good"])
    shelf = CrlShelf([ISSUER], store, tmp_path)
    look(shelf)
    shelf._records = Away()
    assert look(shelf) == ()
    assert shelved(shelf) == whole
