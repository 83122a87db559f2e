"""Registration authorities (RFC 7030 §3.7, RFC 6402 §2.10): who may enroll for others.

Three things together make one: the operator listed this very certificate, this
profile's issuer signed it, and it says id-kp-cmcRA. That usage takes the place of
clientAuth, which such a certificate need not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from certctl.domain.errors import CertificateRefused
from certctl.domain.principal import Credential
from certctl.trust.bundle import Bundle, BundleRefused, load_bundle
from certctl.trust.presented import read_presented
from certctl.trust.verify import ProfileTrust


def load_registration_authorities(path: Path, *, now_us: int) -> Bundle:  # noqa: ARG001
    """Read a PEM file of registration authorities; one that has expired may stand there.

    Raises:
        BundleRefused: unreadable, cut off, or with something else in it than certificates
            with the usage id-kp-cmcRA.
    """
    # As of the beginning of time nothing has expired: that is judged when one is shown.
    bundle = load_bundle(path, now_us=0)
    for position, der in enumerate(bundle.ders, 1):
        try:
            read_presented(der).check_registration_usage()
        except CertificateRefused as err:
            raise BundleRefused(
                path,
                f"certificate {position} in it lacks the usage id-kp-cmcRA",
                "put only certificates of registration authorities into it",
            ) from err
    return bundle


class RegistrationAuthorities:
    """The registration authorities of one profile (implements the port of that name)."""

    __slots__ = ("_issuer", "_listed")

    def __init__(self, listed: Sequence[bytes], issuer: bytes) -> None:
        """Take certificates (DER): those listed, and the CA that issues for the profile."""
        self._listed = frozenset(hashlib.sha256(der).digest() for der in listed)
        self._issuer = ProfileTrust((issuer,))

    def recognise(self, leaf: bytes, now_us: int) -> Credential | None:
        """The certificate as a registration authority's; None: it is not listed.

        Raises:
            CertificateRefused: listed, but untrusted (of another issuer), expired,
                not_yet_valid, or wrong_usage.
        """
        if hashlib.sha256(leaf).digest() not in self._listed:
            return None
        # What else was shown does not count: the issuer itself must have signed it.
        self._issuer.verify_path((leaf,), now_us)
        presented = read_presented(leaf)
        presented.check_registration_usage()
        return presented.credential()
