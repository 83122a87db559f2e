"""What the authority needs to make issuers and to keep their keys (issuers §4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from certctl.domain.stored_issuers import StoredIssuer, Trial


@runtime_checkable
class CanTry(Protocol):
    """An issuer that can be tried without issuing anything."""

    def trial(self, *, now_us: int) -> Trial:
        """Use it as for a certificate, on something that is none. May take seconds."""
        ...


class VaultRefused(Exception):
    """A key or certificate cannot be used; tells the operator how to mend it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class IssuerVault(Protocol):
    """Makes CA keys and seals them for the store. ``secret`` is PKCS#8 (DER)."""

    def make_key(self, key_type: str) -> bytes:
        """A fresh key; an RSA one takes a second."""
        ...

    def root_certificate(
        self, secret: bytes, *, issuer_id: str, common_name: str | None, now_us: int
    ) -> bytes:
        """A self-signed CA certificate (DER)."""
        ...

    def request(self, secret: bytes, *, issuer_id: str, common_name: str | None) -> bytes:
        """A PKCS#10 request (DER) for the CA above."""
        ...

    def check_chain(self, secret: bytes, chain: Sequence[bytes], *, now_us: int) -> None:
        """Hold a chain (DER) to everything that CA_CERT_PATH is held to.

        Raises:
            VaultRefused: it must not be used.
        """
        ...

    def seal(self, row: StoredIssuer, secret: bytes) -> bytes:
        """Encrypt the key so that it opens with this very row alone."""
        ...

    def open(self, row: StoredIssuer, sealed: bytes) -> bytes:
        """The key again.

        Raises:
            VaultRefused: another config key, another row, or not as it was sealed.
        """
        ...
