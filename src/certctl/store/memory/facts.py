"""What the authority's gates know, read without the right to change it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from certctl.domain.approval import WaitingRequest
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    KeyFacts,
)
from certctl.domain.intent import Intent
from certctl.domain.lockout import Lockout
from certctl.store.memory.base import Reads
from certctl.store.memory.certificates import CertificateWrites
from certctl.store.memory.gates import GateWrites
from certctl.store.memory.intents import IntentWrites
from certctl.store.memory.requests import RequestWrites
from certctl.store.memory.tables import Tables


class _Glance(CertificateWrites, GateWrites, RequestWrites, IntentWrites):
    """The reading half of a transaction, on tables that nobody changes through it."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._staged = tables


class FactReads(Reads):
    """``ports.reads.FactReads``."""

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        return _Glance(self._now()).certificate_states(keys)

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        return _Glance(self._now()).certificates_by_id(ids)

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        return _Glance(self._now()).repeated_certificates(keys, now_us)

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        return _Glance(self._now()).key_facts(keys, now_us)

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        return _Glance(self._now()).limit_hits(keys)

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        return _Glance(self._now()).lockouts(sources)

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        return _Glance(self._now()).requests_by_key(keys)

    def newest_intents(self, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
        return _Glance(self._now()).newest_intents(keys)

    def waiting_number(self, now_us: int) -> int:
        return _Glance(self._now()).waiting_number(now_us)
