"""What ``cryptography`` says of X.509 structures that are not sound: by exception, by warning.

It reads lazily: a certificate that loads may still raise when a field of it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE = (
    ValueError,
    TypeError,
    # None of these is a ValueError.
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    # Of a TLS feature (RFC 7633) that the library does not know.
    KeyError,
)
"""Whatever comes out of reading one that a stranger made."""


@contextmanager
def quiet() -> Iterator[None]:
    """What is unusual in a stranger's octets is no line on our console."""
    with warnings.catch_warnings():
        # CryptographyDeprecationWarning is one of them.
        warnings.simplefilter("ignore", UserWarning)
        yield


def is_for(certificate: x509.Certificate, key: object) -> bool:
    """Whether a certificate is for this public key; one of a kind unknown here is for another."""
    try:
        with quiet():
            return certificate.public_key() == key
    except UNREADABLE:
        return False
