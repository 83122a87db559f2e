"""A TLS 1.3 client's records after its handshake, KeyUpdates without end among them.

RFC 8446 §4.6.3; no client library sends them by the hundred.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CIPHER: Final = "TLS_AES_128_GCM_SHA256"
LABEL: Final = "CLIENT_TRAFFIC_SECRET_0"
_DATA: Final = b"\x17"
_HANDSHAKE: Final = b"\x16"
_KEY_UPDATE: Final = b"\x18\x00\x00\x01"


class Records:
    """Makes them in place of the client's library, which must write no more.

    ``secrets`` is the ``keylog_filename`` that its context had before its one handshake.
    """

    def __init__(self, client: ssl.SSLSocket, secrets: Path) -> None:
        agreed = client.cipher()
        assert agreed is not None
        assert agreed[0] == CIPHER
        (found,) = [line for line in secrets.read_text().splitlines() if line.startswith(LABEL)]
        self._begin(bytes.fromhex(found.split()[2]))

    def key_update(self, *, answer: bool = False) -> bytes:
        """``answer`` asks the server for one of its own."""
        made = self._record(_KEY_UPDATE + bytes((answer,)) + _HANDSHAKE)
        self._begin(self._derived(b"traffic upd", 32))
        return made

    def data(self, octets: bytes) -> bytes:
        """At most 16 KiB."""
        return self._record(octets + _DATA)

    def _begin(self, secret: bytes) -> None:
        self._secret = secret
        self._key = AESGCM(self._derived(b"key", 16))
        self._iv = int.from_bytes(self._derived(b"iv", 12), "big")
        self._number = 0

    def _record(self, inner: bytes) -> bytes:
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = (self._iv ^ self._number).to_bytes(12, "big")
        self._number += 1
        return header + self._key.encrypt(nonce, inner, header)

    def _derived(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label without context (RFC 8446 §7.1)."""
        label = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\x00"
        return HKDFExpand(hashes.SHA256(), size, info).derive(self._secret)
