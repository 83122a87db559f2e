"""Keys of the management API, their pepper's digest, and answers kept for repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from certctl.domain.api_keys import ApiKey
from certctl.domain.kept_answer import KeptAnswer
from certctl.domain.ports import DuplicateKey
from certctl.store.errors import CommandRefused, PepperMismatch
from certctl.store.memory.base import DIGEST_OCTETS, Reads, Writes

_PEPPER = "api_pepper"


class ApiKeyReads(Reads):
    """``ports.reads.ApiKeyReads``."""

    def api_key(self, key_id: str) -> ApiKey | None:
        return self._now().api_keys.get(key_id)

    def api_keys(self) -> Sequence[ApiKey]:
        rows = self._now().api_keys
        return [rows[key_id] for key_id in sorted(rows)]

    def kept_answer(self, key: bytes, now_us: int) -> KeptAnswer | None:
        return _kept(self._now().answers, key, now_us)


class ApiKeyWrites(Writes):
    """``ports.writes.ApiKeyWrites``."""

    def api_key(self, key_id: str) -> ApiKey | None:
        return self._open().api_keys.get(key_id)

    def record_api_key(self, key: ApiKey) -> None:
        if len(key.digest) != DIGEST_OCTETS:
            raise self._failed(CommandRefused("api_keys.digest"))
        if key.id in self._open().api_keys:
            raise self._failed(DuplicateKey(key.id))
        self._open().api_keys[key.id] = key

    def revoke_api_key(self, key_id: str, revoked_us: int) -> None:
        row = self._open().api_keys.get(key_id)
        if row is not None and row.revoked_us is None:
            self._open().api_keys[key_id] = replace(row, revoked_us=revoked_us)

    def kept_answer(self, key: bytes, now_us: int) -> KeptAnswer | None:
        return _kept(self._open().answers, key, now_us)

    def keep_answer(self, answer: KeptAnswer, now_us: int) -> None:
        if self.kept_answer(answer.key, now_us) is not None:
            raise self._failed(DuplicateKey(answer.key.hex()))
        self._open().answers[answer.key] = answer

    def forget_answers(self, before_us: int, most: int) -> None:
        rows = self._open().answers
        expired = [each for each in rows.values() if each.expires_us <= before_us]
        for each in sorted(expired, key=lambda each: each.expires_us)[:most]:
            del rows[each.key]

    def bound_pepper(self) -> bytes | None:
        return self._open().ca.get(_PEPPER)

    def bind_pepper(self, digest: bytes) -> None:
        if self._open().ca.setdefault(_PEPPER, digest) != digest:
            raise PepperMismatch


def _kept(answers: Mapping[bytes, KeptAnswer], key: bytes, now_us: int) -> KeptAnswer | None:
    found = answers.get(key)
    return found if found is not None and found.expires_us > now_us else None
