"""The port of a signer: a private key that signs and never shows itself."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """One private key, wherever it lives, with the one algorithm it signs with."""

    @property
    def algorithm_der(self) -> bytes:
        """AlgorithmIdentifier (DER) as it stands in what was signed."""
        ...

    @property
    def spki_der(self) -> bytes:
        """SubjectPublicKeyInfo (DER) of the key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Signature over ``data``, in the form X.509 wants.

        Raises:
            IssuerUnavailable: the key cannot be used now.
        """
        ...
