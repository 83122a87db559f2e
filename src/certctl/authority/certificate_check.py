"""One certificate on record against its row: what the row says must stand in the DER.

Nothing here knows how rows are written. The certificate is read anew, by another reader
than the one that built it, and every statement of the row is derived from it once more.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from certctl.domain.certificates import CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.errors import Failure, PolicyViolation
from certctl.domain.imports import EXTERNAL
from certctl.domain.inspection import CertificateRow, Finding
from certctl.domain.inventory import IMPORTED_PROFILE
from certctl.domain.keys import check_key, describe_key, load_public_key
from certctl.domain.plain_text import shown
from certctl.domain.policy import CertificateProfile
from certctl.domain.revocation import RevocationReason
from certctl.wire.der import SEQUENCE, DerError, children, expect
from certctl.wire.general_names import decode_general_names
from certctl.wire.identity import comparable_names
from certctl.wire.names import decode_name

_SERIAL_OCTETS = 20
_EXTENSIONS = 0xA3
_CDP = ExtensionOID.CRL_DISTRIBUTION_POINTS
_SAN = bytes.fromhex("0603551d11")
_REASONS = frozenset(reason.value for reason in RevocationReason)
_SHOWN = 60

_READ_FROM_IT = frozenset({CertificateSource.EST, CertificateSource.API})
"""Sources whose subject for people is made from the certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What certificates are judged by.

    Attributes:
        known: issuer ids that are bound to a CA.
        ca: the CA's certificate, where it is at hand.
        profiles: certificate profiles by id, each with the moment from which on it is
            known to have been as it is now; what was issued earlier is not judged by it.
        partitions: of CRLs, all that there ever were, by number.
    """

    known: Collection[str]
    ca: Mapping[str, x509.Certificate]
    profiles: Mapping[str, tuple[CertificateProfile, int]]
    partitions: Mapping[int, CrlPartition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What stands in a certificate, as octets."""

    certificate: x509.Certificate
    serial: int
    issuer: bytes
    subject: bytes
    spki: bytes
    san: bytes


def read(row: CertificateRow) -> Read | Finding:
    """The certificate of a row, or why it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(row.der)
        tbs = certificate.tbs_certificate_bytes
        fields = children(tbs, *expect(tbs, 0, len(tbs), SEQUENCE))
        # serialNumber, signature, issuer, validity, subject, spki after the version.
        _, _, issuer, _, subject, spki = fields[1:7]
        return Read(
            certificate=certificate,
            serial=certificate.serial_number,
            issuer=tbs[issuer[1] : issuer[3]],
            subject=tbs[subject[1] : subject[3]],
            spki=tbs[spki[1] : spki[3]],
            san=_san(tbs, fields[7:]),
        )
    except (ValueError, DerError, UnsupportedAlgorithm, x509.InvalidVersion) as err:
        return _finding(row, "unreadable", f"the certificate cannot be read: {shown(str(err))}")


def check(row: CertificateRow, found: Read, rules: Rules) -> Iterator[Finding]:
    """Everything in which row and certificate, or certificate and rules, disagree."""
    yield from _check_source(row)
    yield from _check_status(row)
    yield from _check_issuer(row, found, rules)
    try:
        yield from _check_row(row, found)
        yield from _check_powers(row, found)
        yield from _check_partition(row, found, rules)
        profile, since_us = rules.profiles.get(row.certificate_profile, (None, 0))
        if profile is not None and row.issued_us >= since_us:
            yield from _check_profile(row, found, profile)
    except (Failure, ValueError, x509.DuplicateExtension) as err:
        # A reader of ours that gives up has met what we never issue.
        yield _finding(row, "unreadable", f"its contents cannot be read: {shown(str(err))}")


def _check_row(row: CertificateRow, found: Read) -> Iterator[Finding]:
    certificate = found.certificate
    if row.serial != found.serial.to_bytes(_SERIAL_OCTETS, "big"):
        yield _finding(row, "serial", f"the certificate's serial number is {found.serial:x}")
    if row.fingerprint != sha256(row.der).digest():
        yield _finding(row, "fingerprint", "the fingerprint is not that of the certificate")
    if row.spki_sha256 != sha256(found.spki).digest():
        yield _finding(row, "key", "the key's hash is not that of the certificate's key")
    if row.subject_der != found.subject:
        yield _finding(row, "subject", "the subject (DER) is not the certificate's")
    if row.san_der != found.san:
        yield _finding(row, "sans", "the SANs (DER) are not the certificate's")
    if row.subject_key != sha256(comparable_names(found.subject, found.san)).digest()[:16]:
        yield _finding(row, "subject_key", "a renewal would not find it by its names")
    # What people and searches see must be what the certificate says.
    if row.source in _READ_FROM_IT and row.subject != decode_name(found.subject).text():
        yield _finding(row, "subject", f"the subject shown is {_short(row.subject)}")
    sans = sorted(map(str, decode_general_names(found.san))) if found.san else []
    if _texts(row.sans) != sans:
        yield _finding(row, "sans", f"the SANs shown are {_short(row.sans)}")
    if _algorithm(row, found) != row.key_algorithm:
        yield _finding(row, "key", f"the key shown is {_short(row.key_algorithm)}")
    validity = (_us(certificate.not_valid_before_utc), _us(certificate.not_valid_after_utc))
    if (row.not_before_us, row.not_after_us) != validity:
        yield _finding(row, "validity", "the validity is not the certificate's")


def _algorithm(row: CertificateRow, found: Read) -> str:
    """Of a foreign key that we would not certify, the OID of its algorithm."""
    try:
        return str(describe_key(load_public_key(found.spki)))
    except PolicyViolation:
        if row.source != CertificateSource.API:
            raise
        return found.certificate.public_key_algorithm_oid.dotted_string


def _check_source(row: CertificateRow) -> Iterator[Finding]:
    """What is imported says so everywhere, and nothing else does."""
    imported = row.source == CertificateSource.API
    if imported != (row.profile == IMPORTED_PROFILE):
        yield _finding(row, "source", "its source and its profile contradict each other")
    if row.issuer_id.startswith(EXTERNAL) and not imported:
        yield _finding(row, "source", "it is of a foreign CA, and was not imported")


def _check_status(row: CertificateRow) -> Iterator[Finding]:
    if row.status == "revoked":
        if row.revoked_us is None or row.revocation_reason not in _REASONS:
            yield _finding(row, "status", "revoked, but without moment or known reason")
        # Of what was imported we know the beginning of validity only, which may lie ahead.
        elif row.revoked_us < row.issued_us and row.source != CertificateSource.API:
            yield _finding(row, "status", "revoked before it was issued")
    elif row.revoked_us is not None or row.revocation_reason is not None:
        yield _finding(row, "status", f"{row.status}, but with moment or reason of a revocation")


def _check_issuer(row: CertificateRow, found: Read, rules: Rules) -> Iterator[Finding]:
    ca = rules.ca.get(row.issuer_id)
    if ca is None:
        # That a known CA's certificate is not at hand is said once, by the caller.
        if row.issuer_id not in rules.known and not row.issuer_id.startswith(EXTERNAL):
            yield _finding(row, "issuer", f"no CA {_short(row.issuer_id)} is on record")
        return
    try:
        found.certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        problem = f"it is not signed by the CA of {_short(row.issuer_id)}"
        yield _finding(row, "signature", problem)
    if found.certificate.not_valid_after_utc > ca.not_valid_after_utc:
        yield _finding(row, "validity", "it is valid longer than its CA")


def _check_powers(row: CertificateRow, found: Read) -> Iterator[Finding]:
    """What no profile may ever have granted; what others grant is their affair."""
    if row.source == CertificateSource.API:
        return
    for extension in found.certificate.extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                yield _finding(row, "powers", "it is a CA certificate")
            case x509.KeyUsage() as usage if usage.key_cert_sign or usage.crl_sign:
                yield _finding(row, "powers", "it may sign certificates or CRLs")


def _check_partition(row: CertificateRow, found: Read, rules: Rules) -> Iterator[Finding]:
    """Who reads the CRL that a certificate names must find it there: on that of its partition,
    or on the full one.
    """
    if row.source == CertificateSource.API:
        return
    points = [each.value for each in found.certificate.extensions if each.oid == _CDP]
    urls = {
        name.value
        for point in points
        if isinstance(point, x509.CRLDistributionPoints)
        for each in point
        for name in each.full_name or ()
    }
    named = {each.number for each in rules.partitions.values() if each.url(row.issuer_id) in urls}
    if named != ({row.crl_partition} if row.crl_partition is not None else set()):
        on_record = "none" if row.crl_partition is None else str(row.crl_partition)
        yield _finding(
            row, "partition", f"on record in CRL partition {on_record}, and it names another"
        )


def _check_profile(
    row: CertificateRow, found: Read, profile: CertificateProfile
) -> Iterator[Finding]:
    name = _short(profile.id)
    try:
        purposes = found.certificate.extensions.get_extension_for_oid(
            ExtensionOID.EXTENDED_KEY_USAGE
        ).value
        granted = {each.dotted_string for each in purposes}  # type: ignore[attr-defined]
    except x509.ExtensionNotFound:
        granted = set()
    if granted != set(profile.allowed_ekus):
        yield _finding(row, "profile", f"its purposes are not those of {name}")
    try:
        check_key(load_public_key(found.spki), profile.allowed_key_algorithms)
    except PolicyViolation:
        yield _finding(row, "profile", f"{name} does not allow its key")
    lifetime = found.certificate.not_valid_after_utc - found.certificate.not_valid_before_utc
    longest = profile.max_ttl_seconds + profile.backdate_seconds
    if profile.max_ttl_seconds and lifetime.total_seconds() > longest:
        yield _finding(row, "profile", f"it is valid longer than {name} allows")
    names = decode_general_names(found.san) if found.san else ()
    if len(names) > profile.max_sans or {each.kind for each in names} - set(
        profile.allowed_san_types
    ):
        yield _finding(row, "profile", f"{name} does not allow its SANs")


def _san(tbs: bytes, rest: list[tuple[int, int, int, int]]) -> bytes:
    """Value of subjectAltName as it stands, or empty."""
    for tag, _, start, end in rest:
        if tag != _EXTENSIONS:
            continue
        for _, _, begin, stop in children(tbs, *expect(tbs, start, end, SEQUENCE)):
            if tbs.startswith(_SAN, begin):
                value = children(tbs, begin, stop)[-1]
                return tbs[value[2] : value[3]]
    return b""


def _texts(text: str) -> list[str] | None:
    try:
        return sorted(map(str, json.loads(text)))
    except (ValueError, TypeError):
        return None


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND_US


def _short(text: str) -> str:
    escaped = shown(text)
    return escaped if len(escaped) <= _SHOWN else escaped[: _SHOWN - 1] + "…"


def _finding(row: CertificateRow, kind: str, problem: str) -> Finding:
    return Finding(kind, shown(row.id), row.serial.hex().lstrip("0") or "0", problem)
