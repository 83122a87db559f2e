"""The port of a signer: a private key that signs and never shows itself."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


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


@runtime_checkable
class SignsDigests(Protocol):
    """A signer that can be given a digest in place of the data."""

    @property
    def digest_name(self) -> str | None:
        """Of the hash function its algorithm has, as ``hashlib`` names it; None: it must
        be given the data all the same (Ed25519).
        """
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """What ``sign`` gives for the data of that digest.

        Raises:
            IssuerUnavailable: the key cannot be used now.
        """
        ...
