"""Is this client certificate trusted by this profile, now? (RFC 5280 §6, est §3)

OpenSSL builds and checks the path; what it does not ask without a purpose set (EKU,
strength of signatures and keys, number of intermediates) is asked here. The TLS edge let
in any certificate: this is the only place that calls one trusted. An anchor is what the
bundle holds, self-signed or not (partial chains count).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from OpenSSL import crypto

from certctl.domain.certificates import CertificateKey
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import CertificateRefused
from certctl.domain.principal import Credential
from certctl.trust.crl import RevocationLists
from certctl.trust.presented import Presented, read_presented, walk_presented

MAX_PRESENTED = 20
"""Certificates a client may show; with more of them only the leaf is read, for its name."""

MAX_CHAIN = 100 * 1024
"""Octets of them together: as many as OpenSSL reads in a handshake. OpenSSL takes 10 ms to
load 32 KiB of the worst names."""

MAX_INTERMEDIATES = 8
"""Certificates between the leaf and the anchor (est §3)."""

_MIN_RSA_BITS = 2048
_MIN_EC_BITS = 224
_WEAK_HASHES = frozenset({"md5", "sha1"})

# X509_V_ERR_*: the numbers are part of OpenSSL's interface.
_NOT_YET_VALID = 9
_EXPIRED = 10


class _Stores(NamedTuple):
    """Stores as of one second; replaced as a whole, so threads need no lock."""

    second: int
    stores: tuple[crypto.X509Store, ...]


class ProfileTrust:
    """``ClientTrust`` over a profile's own anchors; safe to use from several threads.

    Made anew when the bundle changes, never altered.
    """

    __slots__ = ("_current", "_groups", "_lists")

    def __init__(
        self,
        anchors: Sequence[bytes],
        *,
        crls: Sequence[bytes] = (),
        require_crl: bool = False,
    ) -> None:
        """Prepare the anchors.

        Args:
            anchors: certificates (DER) as in the bundle; none at all is a profile that
                accepts only own certificates, and ``verify`` refuses everything.
            crls: full CRLs (DER) as in the bundle; obeyed where their CA signed them.
            require_crl: MTLS_CRL_POLICY=hard: refuse where a current one is missing.

        Raises:
            CertificateRefused: one of them is no certificate.
        """
        self._groups = _grouped(anchors)
        self._current = _Stores(-1, ())
        self._lists = RevocationLists(crls, anchors, required=require_crl)

    def verify(self, chain: Sequence[bytes], now_us: int) -> Credential:
        """Judge a chain as presented: DER, leaf first, the rest in any order.

        Raises:
            CertificateRefused: untrusted, expired, not_yet_valid, revoked, no_crl,
                wrong_usage.
        """
        leaf = self.verify_path(chain, now_us)
        leaf.check_client_usage()
        return leaf.credential()

    def verify_path(self, chain: Sequence[bytes], now_us: int) -> Presented:
        """The path and what revokes it; what the leaf may be used for is not judged.

        Raises:
            CertificateRefused: as ``verify``, without wrong_usage.
        """
        if not chain or sum(map(len, chain)) > MAX_CHAIN:
            raise CertificateRefused("untrusted")
        leaf = read_presented(chain[0])
        if len(chain) > MAX_PRESENTED:
            raise leaf.refused("untrusted")
        path = self._path(leaf, _openssl(leaf, chain), now_us)
        _check_path(leaf, path)
        self._lists.check(leaf, path, now_us)
        return leaf

    def identify(self, leaf: bytes) -> CertificateKey:
        """What a certificate is looked up by; nothing about it is judged.

        Raises:
            CertificateRefused: untrusted (cannot be read).
        """
        walked = walk_presented(leaf)
        return CertificateKey(walked.serial, walked.fingerprint)

    def describe(self, leaf: bytes) -> Credential:
        """Names of a certificate on record: its issuer and times are judged by that.

        Raises:
            CertificateRefused: wrong_usage, untrusted (cannot be read).
        """
        walked = walk_presented(leaf)
        walked.check_client_usage()
        return walked.credential()

    def _path(
        self, leaf: Presented, chain: tuple[crypto.X509, ...], now_us: int
    ) -> tuple[bytes, ...]:
        """The verified path after the leaf (DER); OpenSSL ends it at the first anchor."""
        ended = False
        for store in self._stores_at(now_us // SECOND_US):
            try:
                verified = crypto.X509StoreContext(store, chain[0], chain[1:]).get_verified_chain()
            except crypto.X509StoreContextError as err:
                ended = ended or err.errors[0] in {_EXPIRED, _NOT_YET_VALID}
                continue
            finally:
                _drain_errors()
            return tuple(
                crypto.dump_certificate(crypto.FILETYPE_ASN1, part) for part in verified[1:]
            )
        raise _out_of_time(leaf, now_us) if ended else leaf.refused("untrusted")

    def _stores_at(self, second: int) -> tuple[crypto.X509Store, ...]:
        """Stores whose clock stands at ``second``.

        ``set_time`` works once per store (a second call is ignored), and leaving the time
        out would read the machine's clock; so each second in which somebody asks gets
        stores of its own. A verification under way keeps the ones it began with.
        """
        current = self._current
        if current.second != second:
            moment = datetime.fromtimestamp(second, UTC)
            current = _Stores(second, tuple(_store(group, moment) for group in self._groups))
            self._current = current
        return current.stores


def _grouped(anchors: Sequence[bytes]) -> tuple[tuple[crypto.X509, ...], ...]:
    """Anchors in groups without two of one name.

    OpenSSL picks an issuer by name (and key identifier, which factories leave out) and
    does not try the next one when the signature does not fit: of two CAs of one name in
    one store, one would be deaf. A chain ends in one anchor, so groups lose nothing.
    """
    groups: list[dict[bytes, crypto.X509]] = []
    for der in dict.fromkeys(anchors):
        anchor = read_presented(der)
        try:
            loaded = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
        except crypto.Error as err:
            raise anchor.refused("untrusted") from err
        for group in groups:
            if anchor.subject_der not in group:
                group[anchor.subject_der] = loaded
                break
        else:
            groups.append({anchor.subject_der: loaded})
    return tuple(tuple(group.values()) for group in groups)


def _store(group: tuple[crypto.X509, ...], moment: datetime) -> crypto.X509Store:
    store = crypto.X509Store()
    for anchor in group:
        store.add_cert(anchor)
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    store.set_time(moment)
    return store


def _openssl(leaf: Presented, chain: Sequence[bytes]) -> tuple[crypto.X509, ...]:
    try:
        # The others go through the same strict walk: two parsers, one reading.
        others = [read_presented(der).der for der in chain[1:]]
        return tuple(
            crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in (leaf.der, *others)
        )
    except (CertificateRefused, crypto.Error) as err:
        raise leaf.refused("untrusted") from err


def _out_of_time(leaf: Presented, now_us: int) -> CertificateRefused:
    """Which certificate of the path is outside its validity: the leaf's own fault or not."""
    now = datetime.fromtimestamp(now_us // SECOND_US, UTC)
    if now > leaf.parsed.not_valid_after_utc:
        return leaf.refused("expired")
    if now < leaf.parsed.not_valid_before_utc:
        return leaf.refused("not_yet_valid")
    return leaf.refused("untrusted")


def _check_path(leaf: Presented, path: tuple[bytes, ...]) -> None:
    """What OpenSSL leaves out. ``path`` ends in the anchor; empty: the leaf is one itself."""
    if len(path) > MAX_INTERMEDIATES + 1:
        raise leaf.refused("untrusted")
    strong = _is_strong_key(leaf.parsed) and (not path or _has_strong_signature(leaf.parsed))
    if not strong or not all(_may_stand_between(der) for der in path[:-1]):
        raise leaf.refused("untrusted")
    if path and not _is_strong_anchor(path[-1]):
        raise leaf.refused("untrusted")


# Only certificates on a path that OpenSSL has verified come here, so nobody from outside
# can fill these caches.
@lru_cache(maxsize=256)
def _may_stand_between(der: bytes) -> bool:
    presented = read_presented(der)
    return (
        presented.may_sign_certificates
        and _is_strong_key(presented.parsed)
        and _has_strong_signature(presented.parsed)
    )


@lru_cache(maxsize=256)
def _is_strong_anchor(der: bytes) -> bool:
    # Trust in an anchor does not come from its signature: an old SHA-1 root is fine.
    return _is_strong_key(read_presented(der).parsed)


def _has_strong_signature(certificate: x509.Certificate) -> bool:
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    # None: the algorithm (Ed25519, ML-DSA …) brings its own.
    return digest is None or digest.name not in _WEAK_HASHES


def _is_strong_key(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return False
    match key:
        case rsa.RSAPublicKey():
            return key.key_size >= _MIN_RSA_BITS
        case ec.EllipticCurvePublicKey():
            return key.curve.key_size >= _MIN_EC_BITS
        case dsa.DSAPublicKey():
            return False
        case _:
            return True


def _drain_errors() -> None:
    """Empty OpenSSL's error queue of this thread.

    A verification leaves entries there, also one that succeeds over a certificate with a
    malformed extension. The next TLS read or write in this thread, of some other client,
    would take them for its own and end that connection.
    Any failing call of this library empties the queue; the cheapest is parsing nothing.
    """
    with suppress(crypto.Error):
        crypto.load_certificate(crypto.FILETYPE_ASN1, b"")
