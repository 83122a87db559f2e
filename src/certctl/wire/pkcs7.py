"""Certs-only PKCS#7 (RFC 7030 §4.1.3, RFC 5652 §5): certificates in a SignedData that
nobody signed.

Built by hand: everything but the certificates is the same in each answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from certctl.wire.der import SEQUENCE, encode, encode_set

_EXPLICIT_0 = 0xA0

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")

# version 1, no digestAlgorithms, encapContentInfo of id-data without content.
_HEAD = bytes.fromhex("0201013100300b06092a864886f70d010701")

# No crls field, and signerInfos, which is not optional, with nobody in it.
_TAIL = bytes.fromhex("3100")


def certs_only(certificates: Sequence[bytes]) -> bytes:
    """ContentInfo (DER) that carries these certificates (DER) and nothing else.

    The certificates form a SET OF, so DER decides their order, not the caller.
    """
    held = encode_set(_EXPLICIT_0, *certificates)
    signed = encode(SEQUENCE, _HEAD, held, _TAIL)
    return encode(SEQUENCE, _SIGNED_DATA, encode(_EXPLICIT_0, signed))
