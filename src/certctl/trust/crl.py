"""The CRLs of a trust bundle, obeyed on every path that is verified with it (est §3).

What a CRL lists is revoked, also when the CRL itself is stale or a hold: an old no is
still a no. What a *missing* or stale one means is the profile's to say (MTLS_CRL_POLICY);
one of another partition is none.
A list counts only under the signature of the CA it is about; whether that CA may sign
CRLs is not asked, since the operator put it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from cryptography import x509

from certctl.trust.presented import Presented, read_presented
from certctl.wire.trust_bundle import covers, is_current, is_signed_by


class RevocationLists:
    """The CRLs of one bundle, with the anchors that may have signed them."""

    __slots__ = ("_anchors", "_lists", "_required")

    def __init__(self, crls: Sequence[bytes], anchors: Sequence[bytes], *, required: bool) -> None:
        self._required = required
        self._lists: dict[x509.Name, list[tuple[bytes, x509.CertificateRevocationList]]] = {}
        for der in crls:
            crl = x509.load_der_x509_crl(der)
            self._lists.setdefault(crl.issuer, []).append((der, crl))
        self._anchors: dict[x509.Name, list[bytes]] = {}
        for der in anchors:
            self._anchors.setdefault(read_presented(der).parsed.subject, []).append(der)

    def check(self, leaf: Presented, path: Sequence[bytes], now_us: int) -> None:
        """Judge a verified path; ``path`` (DER) is what follows the leaf, up to the anchor.

        Raises:
            CertificateRefused: revoked (the leaf or a CA on the path); no_crl (one is
                required, and there is none that is current).
        """
        if not self._lists and not self._required:
            return
        whole = [leaf.der, *path]
        for position, der in enumerate(whole):
            certificate = read_presented(der)
            is_anchor = position == len(whole) - 1
            if is_anchor and certificate.issuer_der == certificate.subject_der:
                continue
            above = whole[position + 1 : position + 2]
            current = False
            for crl in self._signed(certificate.parsed.issuer, above):
                serial = certificate.parsed.serial_number
                if crl.get_revoked_certificate_by_serial_number(serial) is not None:
                    raise leaf.refused("revoked")
                current = current or (is_current(crl, now_us) and covers(crl, certificate.parsed))
            # An anchor is trusted because the operator says so, not because of what is above.
            if self._required and not current and not is_anchor:
                raise leaf.refused("no_crl")

    def _signed(
        self, issuer: x509.Name, above: Sequence[bytes]
    ) -> Iterator[x509.CertificateRevocationList]:
        """The lists of this name that the CA on the path, or an anchor, has signed."""
        for der, crl in self._lists.get(issuer, ()):
            signers = [*above, *self._anchors.get(issuer, ())]
            if any(_is_signed(der, signer) for signer in signers):
                yield crl


# Only lists of bundles and CAs of verified paths come here.
@lru_cache(maxsize=512)
def _is_signed(crl: bytes, signer: bytes) -> bool:
    return is_signed_by(x509.load_der_x509_crl(crl), read_presented(signer).parsed)
