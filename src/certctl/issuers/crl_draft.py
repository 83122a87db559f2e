"""A CRL on its way to be signed: read and hashed piece by piece, signed once it is whole.

So a list of fifty megabytes never has to be in memory, and costs its signer a few
milliseconds at a time.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable

from certctl.domain.crl import SignedCrl
from certctl.domain.errors import CrlRefused
from certctl.issuers.crl_checks import check_crl
from certctl.issuers.signers.port import Signer, SignsDigests
from certctl.wire.crl import CrlIssuer, seal_for
from certctl.wire.crl_reader import TbsReader
from certctl.wire.der import DerError


class TbsDraft:
    """Implements ``ports.CrlDraft``."""

    __slots__ = (
        "_check_ca",
        "_data",
        "_digest",
        "_issuer",
        "_name",
        "_other",
        "_reader",
        "_signer",
        "_size",
    )

    def __init__(self, issuer: CrlIssuer, signer: Signer, check_ca: Callable[[int], None]) -> None:
        """``check_ca`` raises unless the CA itself is valid at a time in microseconds."""
        self._check_ca = check_ca
        self._issuer = issuer
        self._signer = signer
        self._reader = TbsReader()
        self._size = 0
        self._digest = hashlib.sha256()
        self._name = signer.digest_name if isinstance(signer, SignsDigests) else None
        # Nearly always what is signed is the digest that goes on record, too.
        self._other = hashlib.new(self._name) if self._name and self._name != "sha256" else None
        # A key that hashes by itself (Ed25519) has to be given everything at once.
        self._data: tuple[bytes, ...] = ()

    def fed(self, octets: bytes) -> TbsDraft:
        """See ``ports.CrlDraft``.

        Raises:
            CrlRefused: ``malformed``.
        """
        other = copy.copy(self)
        other._reader = self._reader.copy()
        try:
            other._reader.feed(octets)
        except DerError as err:
            raise _malformed(err) from err
        other._size += len(octets)
        other._digest = self._digest.copy()
        other._digest.update(octets)
        if self._other is not None:
            other._other = self._other.copy()
            other._other.update(octets)
        if self._name is None:
            other._data = (*self._data, octets)
        return other

    def sign(self, *, last_number: int, now_us: int) -> SignedCrl:
        """See ``ports.CrlDraft``.

        Raises:
            CrlRefused: it is not all there, or must not be signed.
            IssuerUnavailable: the key cannot be used now.
        """
        try:
            summary = self._reader.finish()
        except DerError as err:
            raise _malformed(err) from err
        self._check_ca(now_us)
        check_crl(summary, self._issuer, last_number=last_number, now_us=now_us)
        if self._name is not None and isinstance(self._signer, SignsDigests):
            signature = self._signer.sign_digest((self._other or self._digest).digest())
        else:
            signature = self._signer.sign(b"".join(self._data))
        return SignedCrl(
            seal=seal_for(
                self._size, algorithm_der=self._issuer.algorithm_der, signature=signature
            ),
            size=self._size,
            digest=self._digest.digest(),
            number=summary.number,
            this_update_us=summary.this_update_us,
            next_update_us=summary.next_update_us,
            base_number=summary.base_number,
            distribution_point=summary.distribution_point,
        )


def _malformed(err: DerError) -> CrlRefused:
    return CrlRefused("malformed", wanted="a TBSCertList of version 2", got=str(err))
