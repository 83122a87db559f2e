"""A CA's certificates as they would be, made from what is public of it.

The key is made for the purpose and thrown away, so what it signs chains to nobody: good
for telling what a certificate would hold and for linting it, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import FileSigner


def preview_ca(issuer_id: str, chain: Sequence[bytes], *, lifetime_us: int) -> LocalCA:
    """``chain`` (DER) begins with the CA's certificate; ``lifetime_us`` is the issuer's own."""
    signer = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    return LocalCA(issuer_id=issuer_id, signer=signer, chain=chain, lifetime_us=lifetime_us)
