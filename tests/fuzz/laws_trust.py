"""What must hold for any certificate, chain or bundle that ``certctl.trust`` reads.

Besides "only documented refusals": nobody is trusted whose certificate was not issued
below an anchor, and whatever is trusted is a client certificate of this time in the eyes
of another library too.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL._util import lib as openssl

from certctl.domain.errors import CertificateRefused
from certctl.trust.bundle import BundleRefused, load_bundle
from certctl.trust.name_text import MAX_TEXT, name_text
from certctl.trust.presented import read_presented
from certctl.trust.verify import ProfileTrust
from certctl.wire.der import DerError, read
from tests.fuzz.hierarchy import MIDDLE_KEY, NOW, NOW_US, ROOT_KEY, middle, root, sealed

CORPUS = Path(__file__).parent / "corpus"
MAX_PARTS = 24
"""Some more than the server looks at, so that the limit is met as well."""

_CLIENT = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


def texts_of_name(data: bytes) -> None:
    text = name_text(data)
    assert text.isprintable()
    assert len(text) <= MAX_TEXT


def check_refused(refused: CertificateRefused) -> None:
    """The words of a refusal fit into records, and show no control character."""
    for value in refused.details().values():
        text = str(value)
        assert len(text) <= MAX_TEXT
        assert text.isprintable()


def presented(data: bytes) -> None:
    try:
        ours = read_presented(data)
    except CertificateRefused as refused:
        check_refused(refused)
        return
    credential = ours.credential()
    assert credential.subject.isprintable()
    assert credential.issuer.isprintable()
    theirs = ours.parsed
    assert int(ours.serial, 16) == theirs.serial_number
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A name of strings that the library does not decode is no reason.
        with suppress(ValueError, TypeError):
            assert ours.subject_der == theirs.subject.public_bytes() or not _is_plain(theirs)
        try:
            extensions = theirs.extensions
        except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
            extensions = None
    if extensions is not None:
        _same_extensions(ours.is_ca, ours.key_usage, ours.ekus, extensions)
    try:
        ours.check_client_usage()
    except CertificateRefused as refused:
        check_refused(refused)


def _is_plain(certificate: x509.Certificate) -> bool:
    """Whether writing a name again gives its octets: the library sorts and retypes some."""
    return all(len(rdn) == 1 for rdn in certificate.subject.rdns)


def _same_extensions(
    is_ca: bool,  # noqa: FBT001 - three facts of one certificate
    usage: int | None,
    ekus: tuple[str, ...] | None,
    extensions: x509.Extensions,
) -> None:
    seen: set[type] = set()
    for one in extensions:
        seen.add(type(one.value))
        match one.value:
            case x509.BasicConstraints() as constraints:
                assert is_ca is constraints.ca
            case x509.KeyUsage() as theirs:
                assert usage is not None
                assert bool(usage & 0x80) is theirs.digital_signature
                assert bool(usage & 0x04) is theirs.key_cert_sign
            case x509.ExtendedKeyUsage() as purposes:
                assert ekus == tuple(oid.dotted_string for oid in purposes)
    assert (usage is not None) is (x509.KeyUsage in seen)
    assert (ekus is not None) is (x509.ExtendedKeyUsage in seen)
    assert not is_ca or x509.BasicConstraints in seen


@cache
def _bundle_path() -> Path:
    handle, path = tempfile.mkstemp(prefix="certctl-fuzz-", suffix=".pem")
    os.close(handle)
    atexit.register(Path(path).unlink, missing_ok=True)
    return Path(path)


def bundle(data: bytes) -> None:
    """A file that loads can be used; one that does not tells why in printable words."""
    path = _bundle_path()
    path.write_bytes(data)
    try:
        loaded = load_bundle(path, now_us=NOW_US)
    except BundleRefused as refused:
        text = str(refused)
        assert text.isprintable()
        assert len(text) < 2 * MAX_TEXT
        return
    assert loaded.anchors
    assert len(set(loaded.ders)) == len(loaded.ders)
    for anchor in loaded.anchors:
        assert anchor.subject.isprintable()
        assert anchor.not_after_us >= NOW_US
    trust = ProfileTrust(loaded.ders)
    judge(trust, [loaded.ders[0]])


def split(data: bytes) -> list[bytes]:
    """The DER values one after the other; what is no value is the last part."""
    parts: list[bytes] = []
    at = 0
    while at < len(data) and len(parts) < MAX_PARTS:
        try:
            _, _, end = read(data, at, len(data))
        except DerError:
            end = len(data)
        parts.append(data[at:end])
        at = end
    return parts


def judge(trust: ProfileTrust, chain: list[bytes]) -> bool:
    try:
        credential = trust.verify(chain, NOW_US)
    except CertificateRefused as refused:
        check_refused(refused)
        accepted = False
    else:
        assert credential.subject.isprintable()
        accepted = True
    # What is left there would break the next TLS read of somebody else.
    assert openssl.ERR_peek_error() == 0
    return accepted


@cache
def corpus_trust() -> ProfileTrust:
    return ProfileTrust(split((CORPUS / "anchors.der").read_bytes()))


@cache
def _genuine() -> frozenset[bytes]:
    """What the anchors of the corpus let in: TBSCertificates of its good leaves."""
    chains = [path.read_bytes() for path in sorted((CORPUS / "chain").glob("good-*"))]
    assert chains
    return frozenset(
        x509.load_der_x509_certificate(split(chain)[0]).tbs_certificate_bytes for chain in chains
    )


def verify(data: bytes) -> None:
    """Whoever is let in shows what an anchor's owner has signed: nothing else, no octet."""
    chain = split(data)
    if judge(corpus_trust(), chain):
        leaf = x509.load_der_x509_certificate(chain[0])
        assert leaf.tbs_certificate_bytes in _genuine(), "trusted, and never issued"


@cache
def _own_trust() -> ProfileTrust:
    return ProfileTrust([root()])


def verify_signed(data: bytes) -> None:
    """The same with signatures that hold, around any contents: a CA that signs anything.

    The input is a leaf's TBSCertificate, then those of certificates above it.
    """
    parts = split(data)
    if not parts:
        return
    above = [sealed(part, ROOT_KEY) for part in parts[1:]] or [middle()]
    chain = [sealed(parts[0], MIDDLE_KEY), *above]
    if not judge(_own_trust(), chain):
        return
    leaf = x509.load_der_x509_certificate(chain[0])
    _check_time(leaf)
    try:
        extensions = leaf.extensions
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        return
    for one in extensions:
        match one.value:
            case x509.BasicConstraints() as constraints:
                assert not constraints.ca, "a CA certificate as a client"
            case x509.KeyUsage() as usage:
                assert usage.digital_signature
            case x509.ExtendedKeyUsage() as purposes:
                assert _CLIENT & set(purposes)


def _check_time(certificate: x509.Certificate) -> None:
    assert certificate.not_valid_before_utc <= NOW <= certificate.not_valid_after_utc
