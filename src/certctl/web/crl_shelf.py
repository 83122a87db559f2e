"""The newest CRL of each issuer, at hand in this worker.

Copied out of the store when there is a new one, whole and checked, and only then
exchanged: so a reader who takes minutes for a large CRL gets the one it began with, and
CRLs are served while the store is away. Small ones stay in memory, large ones in a file
without a name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import weakref
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from certctl.domain.crl import CrlHead, CrlRecord
from certctl.domain.errors import StoreUnavailable
from certctl.domain.ports.status import StatusReads


class Octets(Protocol):
    """A CRL's octets, wherever they are."""

    def read(self, offset: int, length: int) -> bytes: ...


class ShelvedCrl:
    """A CRL that can be read from any place; it stays until its last reader has gone."""

    __slots__ = ("octets", "record")

    def __init__(self, record: CrlRecord, octets: Octets) -> None:
        self.record = record
        self.octets = octets


class CrlShelf:
    """Ask ``look`` about once a second, from one task; ``find`` at any time."""

    def __init__(self, scopes: Iterable[str], records: StatusReads, directory: Path) -> None:
        """``scopes``: of ``domain.crl.crl_scope``; ``directory``: of this user alone, for the
        copies.
        """
        self._crls: dict[str, ShelvedCrl | None] = dict.fromkeys(scopes)
        self._records = records
        self._directory = directory

    def serve(self, scopes: Collection[str]) -> None:
        """These scopes from now on; what is at hand of those that stay stays."""
        self._crls = {scope: self._crls.get(scope) for scope in sorted(scopes)}

    def find(self, scope: str) -> ShelvedCrl | None:
        return self._crls.get(scope)

    async def look(self) -> tuple[str, ...]:
        """Take new CRLs over; gives the scopes whose CRL was damaged in the store.

        Raises:
            OSError: no room for a copy.
        """
        damaged: list[str] = []
        try:
            heads = self._records.crl_heads()
        except StoreUnavailable:
            return ()
        for scope, present in list(self._crls.items()):
            head = heads.get(scope)
            if head is None or (present is not None and _is(present.record, head)):
                continue
            try:
                record = self._records.crl(scope)
                if record is None:
                    continue
                fresh = await self._copy(record)
            except StoreUnavailable:
                continue
            if scope not in self._crls:
                continue  # it is gone since
            if fresh is not None:
                self._crls[scope] = fresh
            elif self._records.crl(scope) == record:
                damaged.append(scope)
        return tuple(damaged)

    async def _copy(self, record: CrlRecord) -> ShelvedCrl | None:
        """None when it was replaced meanwhile, or is not what was signed."""
        target = _Memory() if record.parts <= 1 else _File(self._directory)
        digest = hashlib.sha256()

        def put(octets: bytes) -> None:
            digest.update(octets)
            target.append(octets)

        target.append(record.seal.front)
        for number in range(record.parts):
            part = self._records.crl_part(record.scope, record.number, number)
            if part is None:
                return None
            put(part)
            # Others get their turn after each piece.
            await asyncio.sleep(0)
        target.append(record.seal.back)
        return ShelvedCrl(record, target) if digest.digest() == record.digest else None


def _is(record: CrlRecord, head: CrlHead) -> bool:
    """A number is never given to other octets, but for those of a backup that came back."""
    return (record.number, record.digest) == (head.number, head.digest)


class _Memory:
    def __init__(self) -> None:
        self._octets = b""

    def append(self, octets: bytes) -> None:
        self._octets += octets

    def read(self, offset: int, length: int) -> bytes:
        return self._octets[offset : offset + length]


class _File:
    """Without a name: ends with its last reader, and a killed worker leaves nothing behind."""

    def __init__(self, directory: Path) -> None:
        with tempfile.TemporaryFile(dir=directory) as file:
            self._fd = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._fd)

    def append(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:
            left = left[os.write(self._fd, left) :]

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)
