"""Repeated writes of the API (operator §1): one ``Idempotency-Key``, one change."""

from __future__ import annotations

from dataclasses import dataclass

from certctl.domain.clock import DAY_US

KEPT_US = DAY_US
"""How long an answer is kept for a client that asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """What makes a write the same as one before.

    Attributes:
        key: SHA-256 over who asks and the key that was sent.
        request: SHA-256 over method, path and body; another one under the same key is
            a fault of the client.
    """

    key: bytes
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a command came from, for its audit events."""

    source_address: str = ""
    request_id: str = ""
    tls_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The result of a write as it was first given (encoded), until ``expires_us``."""

    key: bytes
    request: bytes
    result: bytes
    expires_us: int
