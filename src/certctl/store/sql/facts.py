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
from certctl.store.queries import approval, certificates, intents, limits, repetitions
from certctl.store.queries import keys as key_queries
from certctl.store.queries import lockouts as lockout_queries
from certctl.store.sql.base import Reads


class FactReads(Reads):
    """``ports.reads.FactReads``; the queries are those of the transaction."""

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        return self._ask(certificates.states, keys)

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        found = {each: self._ask(certificates.certificate, each) for each in ids}
        return {each: record for each, record in found.items() if record is not None}

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        return self._ask(repetitions.repeated_certificates, keys, now_us)

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        return self._ask(key_queries.key_facts, keys, now_us)

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        return self._ask(limits.hits, keys)

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        found = {each: self._ask(lockout_queries.of_source, each) for each in sources}
        return {each: lockout for each, lockout in found.items() if lockout is not None}

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        return self._ask(approval.by_key, keys)

    def newest_intents(self, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
        return self._ask(intents.newest_by_key, keys)

    def waiting_number(self, now_us: int) -> int:
        return self._ask(approval.waiting_number, now_us)
