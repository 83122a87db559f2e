"""Keys of the management API, their pepper's digest, and answers kept for repeats."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.api_keys import ApiKey
from certctl.domain.kept_answer import KeptAnswer
from certctl.store.commands import api_keys
from certctl.store.errors import PepperMismatch
from certctl.store.queries import api_keys as queries
from certctl.store.sql.base import Reads, Writes


class ApiKeyReads(Reads):
    """``ports.reads.ApiKeyReads``."""

    def api_key(self, key_id: str) -> ApiKey | None:
        return self._ask(queries.api_key, key_id)

    def api_keys(self) -> Sequence[ApiKey]:
        return self._ask(queries.all_keys)

    def kept_answer(self, key: bytes, now_us: int) -> KeptAnswer | None:
        return self._ask(queries.kept_answer, key, now_us)


class ApiKeyWrites(Writes):
    """``ports.writes.ApiKeyWrites``."""

    __slots__ = ()

    def api_key(self, key_id: str) -> ApiKey | None:
        return self._run(queries.api_key, key_id)

    def record_api_key(self, key: ApiKey) -> None:
        self._run(api_keys.record_key, key)

    def revoke_api_key(self, key_id: str, revoked_us: int) -> None:
        self._run(api_keys.revoke_key, key_id, revoked_us)

    def kept_answer(self, key: bytes, now_us: int) -> KeptAnswer | None:
        return self._run(queries.kept_answer, key, now_us)

    def keep_answer(self, answer: KeptAnswer, now_us: int) -> None:
        self._run(api_keys.keep_answer, answer, now_us)

    def forget_answers(self, before_us: int, most: int) -> None:
        self._run(api_keys.forget_answers, before_us, most)

    def bound_pepper(self) -> bytes | None:
        """Digest of the pepper that the store is bound to."""
        return self._run(queries.bound_pepper)

    def bind_pepper(self, digest: bytes) -> None:
        """Bind the store to a pepper (its digest) for good; the same once more is fine.

        Raises:
            PepperMismatch: it is bound to another one.
        """
        if self._run(api_keys.bind_pepper, digest) != digest:
            raise PepperMismatch
