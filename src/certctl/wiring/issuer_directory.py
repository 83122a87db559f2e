"""What is public of all issuers, those of the settings and of the store, as it is now.

For processes and commands that have no CA key: chains, lifetimes, and who is withheld.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from certctl.domain.clock import SECOND_US
from certctl.domain.crl_partitions import published
from certctl.domain.errors import StoreUnavailable
from certctl.domain.ports import Records
from certctl.domain.stored_issuers import IssuerState, StoredIssuer
from certctl.settings.catalogue import issuing
from certctl.settings.schema import Settings
from certctl.store import StoreError, open_records
from certctl.wiring.issuers import ca_certificate_file, read_chain


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIssuer:
    """An issuer with a certificate; ``chain`` is DER, its own first."""

    id: str
    chain: tuple[bytes, ...]
    lifetime_us: int
    state: IssuerState = IssuerState.ENABLED


def known_issuers(settings: Settings, stored: Sequence[StoredIssuer]) -> Iterator[KnownIssuer]:
    """Those of the settings first; one of the store that has the same id is hidden by it.

    Raises:
        OSError, ValueError: a CA certificate file cannot be read.
    """
    own = {each.id for each in settings.issuers}
    for each in settings.issuers:
        chain = read_chain(ca_certificate_file(each, settings.server.data_dir))
        yield KnownIssuer(id=each.id, chain=chain, lifetime_us=each.validity_s * SECOND_US)
    yield from (_stored(row) for row in stored if row.id not in own and row.chain)


def _stored(row: StoredIssuer) -> KnownIssuer:
    return KnownIssuer(
        id=row.id, chain=row.chain, lifetime_us=row.validity_s * SECOND_US, state=row.state
    )


def stored_rows(settings: Settings) -> Sequence[StoredIssuer]:
    """The issuers of the store, for a host command; none where it cannot be read."""
    try:
        records = open_records(settings.server.database_read_url)
    except StoreError:
        return ()
    try:
        return records.stored_issuers()
    except StoreUnavailable:
        return ()
    finally:
        records.close()


def set_by(settings: Settings) -> dict[str, str]:
    """Which variable makes each issuer of the settings."""
    return {each.id: issuing.TYPE.full_name(each.id) for each in settings.issuers}


class IssuerDirectory:
    """The same, followed: ``look`` about once a second.

    Attributes:
        chains: of every issuer, deleted ones too; the map stays, its contents change.
        published: ids of those that have CRL and OCSP.
        partitions: of CRLs, those that are published.
    """

    def __init__(self, settings: Settings, records: Records) -> None:
        """Raises OSError and ValueError as ``known_issuers``, and StoreUnavailable."""
        self._records = records
        self._own = {each.id: each for each in known_issuers(settings, ())}
        self._stamp: tuple[int, int] | None = None
        self.rows: Sequence[StoredIssuer] = ()
        self.chains: dict[str, tuple[bytes, ...]] = {}
        self.published: frozenset[str] = frozenset()
        self.partitions = published(records.crl_partitions())
        self._read(records.stored_issuers_stamp())

    def look(self) -> bool:
        """Whether anything has changed; a store that is away changes nothing."""
        try:
            partitions = published(self._records.crl_partitions())
            stamp = self._records.stored_issuers_stamp()
            if stamp == self._stamp and partitions == self.partitions:
                return False
            self._read(stamp)
            self.partitions = partitions
        except StoreUnavailable:
            return False
        return True

    def _read(self, stamp: tuple[int, int]) -> None:
        self.rows = self._records.stored_issuers()
        known = dict(self._own)
        for row in self.rows:
            if row.id not in known and row.chain:
                known[row.id] = _stored(row)
        self.published = frozenset(
            each.id for each in known.values() if each.state is not IssuerState.DELETED
        )
        self.chains.update({each.id: each.chain for each in known.values()})
        self._stamp = stamp
