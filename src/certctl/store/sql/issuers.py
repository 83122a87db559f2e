"""Issuers of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certctl.domain.stored_issuers import LastTrial, StoredIssuer
from certctl.store.commands import identity, issuers
from certctl.store.errors import CaMismatch, ConfigKeyMismatch
from certctl.store.queries import identity as identity_queries
from certctl.store.queries import issuers as queries
from certctl.store.sql.base import Reads, Writes


class IssuerReads(Reads):
    """``ports.reads.IssuerReads``."""

    def stored_issuers(self) -> Sequence[StoredIssuer]:
        return self._ask(queries.stored_issuers)

    def stored_issuers_stamp(self) -> tuple[int, int]:
        return self._ask(queries.stamp)

    def unexpired_number(self, issuer_id: str, now_us: int, most: int) -> int | None:
        return self._ask(queries.unexpired_number, issuer_id, now_us, most)

    def issuer_trials(self) -> Mapping[str, LastTrial]:
        return self._ask(queries.issuer_trials)


class IssuerWrites(Writes):
    """``ports.writes.IssuerWrites``."""

    __slots__ = ()

    def stored_issuers(self) -> Sequence[StoredIssuer]:
        return self._run(queries.our_issuers)

    def sealed_issuers(self) -> Mapping[str, bytes]:
        return self._run(queries.sealed_issuers)

    def put_issuer(self, row: StoredIssuer, sealed: bytes) -> None:
        self._run(issuers.put_issuer, row, sealed)

    def note_trial(self, trial: LastTrial) -> None:
        self._run(issuers.note_trial, trial)

    def unexpired_number(self, issuer_id: str, now_us: int, most: int) -> int | None:
        return self._run(queries.unexpired_number, issuer_id, now_us, most)

    def ca_fingerprint(self, issuer_id: str) -> bytes | None:
        return self._run(identity_queries.ca_fingerprint, issuer_id)

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        """See the port.

        Raises:
            CaMismatch: it is bound to another one.
        """
        bound = self._run(identity.bind_ca, issuer_id, fingerprint)
        if bound != fingerprint:
            raise CaMismatch(issuer_id, recorded=bound, presented=fingerprint)

    def bind_config_key(self, digest: bytes) -> None:
        """Bind the store to a config key (its digest) for good; the same once more is fine.

        Raises:
            ConfigKeyMismatch: it is bound to another one.
        """
        if self._run(issuers.bind_config_key, digest) != digest:
            raise ConfigKeyMismatch
