"""A profile's trust bundle: the file of CA certificates that its clients chain to.

Read once at start and at each reload. All or nothing: one certificate that does not
parse or has expired refuses the file, because an operator who believes in an anchor that
is silently missing locks devices out, or trusts the wrong ones.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import SECOND_US
from certctl.domain.errors import CertificateRefused
from certctl.trust.name_text import name_text
from certctl.trust.presented import read_presented

MAX_BUNDLE = 4 * 1024 * 1024
"""Octets. All public roots of the web together have a quarter of a MiB."""

_BEGIN = b"-----BEGIN "
_DASHES = b"-----"
_CERTIFICATE = b"CERTIFICATE"
_CRL = b"X509 CRL"


class BundleRefused(Exception):
    """A trust bundle that must not or cannot be used; tells the operator how to mend it."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One certificate of a bundle, for lists and warnings.

    Attributes:
        subject: text after RFC 4514.
        not_before_us: microseconds since the epoch.
        not_after_us: microseconds since the epoch.
    """

    der: bytes
    subject: str
    not_before_us: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The anchors of one file in its order, each once."""

    path: Path
    anchors: tuple[Anchor, ...]

    @property
    def ders(self) -> tuple[bytes, ...]:
        """What ``ProfileTrust`` takes."""
        return tuple(anchor.der for anchor in self.anchors)

    def expiring(self, before_us: int) -> tuple[Anchor, ...]:
        """Anchors that expire before a time: the lint's question."""
        return tuple(anchor for anchor in self.anchors if anchor.not_after_us < before_us)


def load_bundle(path: Path, *, now_us: int) -> Bundle:
    """Read a PEM bundle.

    Raises:
        BundleRefused: unreadable, no certificate in it, something else than certificates
            in it, one that does not parse, or one that has expired.
    """
    data = read_bundle_file(path)
    _refuse_other_contents(path, data)
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as err:
        raise BundleRefused(
            path,
            "holds no certificate, or one that cannot be read",
            "put one or more PEM certificates into it",
        ) from err
    if len(certificates) != data.count(_BEGIN):
        raise BundleRefused(
            path, "holds a certificate that is cut off", "replace it by a whole one"
        )
    # dict.fromkeys keeps the order and drops what stands there twice.
    ders = dict.fromkeys(certificate.public_bytes(Encoding.DER) for certificate in certificates)
    return Bundle(
        path=path,
        anchors=tuple(_anchor(path, position, der, now_us) for position, der in enumerate(ders, 1)),
    )


def read_bundle_file(path: Path) -> bytes:
    """The octets of a bundle, read once through one descriptor; nothing is parsed.

    Raises:
        BundleRefused: unreadable, no regular file, too large, or written to meanwhile.
    """
    try:
        # Not blocking: a named pipe would otherwise hold up whoever asks.
        with open(path, "rb", opener=_open_without_waiting) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise BundleRefused(path, "is not a regular file", "mend the path")
            data = file.read(MAX_BUNDLE + 1)
            after = os.fstat(file.fileno())
    except IsADirectoryError as err:
        raise BundleRefused(path, "is not a regular file", "mend the path") from err
    except OSError as err:
        raise BundleRefused(
            path, f"cannot be read ({err.strerror})", "mend the path or its permissions"
        ) from err
    if len(data) > MAX_BUNDLE:
        raise BundleRefused(path, "is larger than 4 MiB", "put only the anchors into it")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise BundleRefused(
            path, "is being written", "write a new file beside it and rename it over this one"
        )
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _refuse_other_contents(path: Path, data: bytes) -> None:
    """Each PEM block is a certificate, or the file is not what its owner thinks it is."""
    for rest in data.split(_BEGIN)[1:]:
        label = rest.partition(_DASHES)[0]
        if label == _CERTIFICATE:
            continue
        if label == _CRL:
            raise BundleRefused(
                path,
                "holds a CRL, and CRLs in bundles are not obeyed yet",
                "remove it: a list that is there but not looked at would only seem to protect",
            )
        if label.endswith(b"PRIVATE KEY"):
            raise BundleRefused(
                path, "holds a private key", "remove it: a bundle is for public certificates"
            )
        name = label[:32].decode("ascii", "replace")
        raise BundleRefused(path, f"holds a PEM block {name!r}", "put only certificates into it")


def _anchor(path: Path, position: int, der: bytes, now_us: int) -> Anchor:
    try:
        presented = read_presented(der)
    except CertificateRefused as err:
        raise BundleRefused(
            path, f"certificate {position} cannot be read", "replace or remove it"
        ) from err
    subject = name_text(presented.subject_der)
    parsed = presented.parsed
    not_after_us = int(parsed.not_valid_after_utc.timestamp()) * SECOND_US
    if not_after_us < now_us:
        raise BundleRefused(
            path,
            f"certificate {position} ({subject}) has expired "
            f"(on {parsed.not_valid_after_utc:%Y-%m-%d %H:%M}Z)",
            "replace or remove it, and check the clock of this machine",
        )
    return Anchor(
        der=der,
        subject=subject,
        not_before_us=int(parsed.not_valid_before_utc.timestamp()) * SECOND_US,
        not_after_us=not_after_us,
    )
