"""Who calls the API: a Bearer key becomes a caller with a role and a part of the records.

Keys of the store are looked up by the id in them, one short read, and remembered for less
than a second: so long a revoked one may still open something. What decides is the digest,
compared in constant time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from certctl.domain.api_keys import ApiKey, Visible
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.kept_answer import Origin
from certctl.domain.key_holders import FixedKeyDigest, Holder, holder_by_id, holder_of

REMEMBERED_US = 9 * SECOND_US // 10
MOST_REMEMBERED = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's caller, as the guard has let it in.

    ``bearer`` is what was sent as its key: the authority judges it once more.
    """

    holder: Holder
    bearer: str = field(repr=False)
    source: str
    request_id: str
    tls_version: str

    @property
    def actor(self) -> str:
        """As audit events and decisions name it."""
        return self.holder.actor

    @property
    def visible(self) -> Visible:
        return self.holder.visible

    @property
    def origin(self) -> Origin:
        """For the audit events of what the caller has the authority do."""
        return Origin(
            source_address=self.source,
            request_id=self.request_id,
            tls_version=self.tls_version,
        )


class KeyReads(Protocol):
    def api_key(self, key_id: str) -> ApiKey | None: ...


class KeyRing:
    """Knows every key that opens the API; use it from the event loop."""

    def __init__(
        self, records: KeyReads, pepper: bytes, fixed: Sequence[FixedKeyDigest], clock: Clock
    ) -> None:
        self._records = records
        self._pepper = pepper
        self._fixed = tuple(fixed)
        self._clock = clock
        self._remembered: dict[str, tuple[ApiKey, int]] = {}

    def holder(self, token: str) -> Holder:
        """Whose key this is.

        Raises:
            KeyRefused: it opens nothing.
            StoreUnavailable: that cannot be told now.
        """
        return holder_of(
            token, self._pepper, fixed=self._fixed, find=self._key, now_us=self._clock()
        )

    def by_id(self, key_id: str) -> Holder:
        """The same of a key that was shown before, in a log-in: it may have ended since.

        Raises:
            KeyRefused, StoreUnavailable: as above.
        """
        return holder_by_id(key_id, fixed=self._fixed, find=self._key, now_us=self._clock())

    def _key(self, key_id: str) -> ApiKey | None:
        now_us = self._clock()
        known = self._remembered.get(key_id)
        if known is not None and 0 <= now_us - known[1] < REMEMBERED_US:
            return known[0]
        key = self._records.api_key(key_id)
        self._remembered.pop(key_id, None)
        if key is not None:
            while len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[key_id] = (key, now_us)
        return key
