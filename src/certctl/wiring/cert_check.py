"""``cert-check``: a pass over everything on record, beside a running server.

Rows come page by page and are forgotten; what must be compared across tables is counted
in a database on disk, so memory stays the same for any number. Certificates are read
before events: then the event of each is on record already. What only the events of the
time after the beginning name is left to the next pass.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.authority.certificate_check import Read, Rules, check, read
from certctl.domain.certificates import CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import Failure
from certctl.domain.inspection import CertificateRow, Finding
from certctl.domain.plain_text import shown
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.domain.revocation import RevocationReason
from certctl.settings.certificate_profiles import CertificateProfilesRefused, profile_of_document
from certctl.settings.schema import Settings
from certctl.store import SqlRecords
from certctl.store.names import names_of
from certctl.store.tally import Both, Noted, Tally
from certctl.wire.general_names import decode_general_names
from certctl.wiring.cert_check_crl import Crls
from certctl.wiring.cert_check_trail import PAGE, Stage, Trail
from certctl.wiring.issuers import ca_certificate_file

# Workers and authority take a stored profile over within a second.
_TAKEN_OVER_US = 5 * SECOND_US

# Octets of a name's stand-in: 2^15 of them add up within SQLite's integers.
_NAME_OCTETS = 6


class _Names(NamedTuple):
    """``store.names.Named``, of what the certificate itself says."""

    subject_der: bytes
    sans: tuple[str, ...]
    principal: str


StandIn = Callable[[bytes, int], int]
"""A number for one name and its kinds, which nobody can guess."""


class _Judges(NamedTuple):
    """What a certificate is held against, beside its row."""

    rules: Rules
    crls: Crls
    stand_in: StandIn


def cert_check(settings: Settings, records: SqlRecords, stage: Stage) -> Iterator[Finding]:
    """Everything that does not fit, as it is found; ``stage`` is told the progress.

    Raises:
        StoreUnavailable: the store went away in the middle.
    """
    trail = Trail(records)
    rules, missing = _rules(settings, records)
    yield from missing
    with Tally() as tally:
        stand_in = _stand_in()
        crls = Crls(records, rules, tally)
        yield from crls.load()
        judges = _Judges(rules=rules, crls=crls, stand_in=stand_in)
        yield from _certificates(records, judges, tally, stage)
        yield from _repetitions(records, tally)
        _read_names(records, tally, stand_in)
        _read_releases(records, tally)
        trail.count(tally, stage)
        for both in tally.all():
            yield from trail.compare(both)
            yield from _compare_names(both, records)
        yield from _strangers(records, tally)
        yield from crls.rest()
    yield from trail.bulk_revocations()


def _rules(settings: Settings, records: SqlRecords) -> tuple[Rules, list[Finding]]:
    known = records.ca_fingerprints()
    found: dict[str, x509.Certificate] = {}
    missing: list[Finding] = []
    issuers = {issuer.id: issuer for issuer in settings.issuers}
    stored = {row.id: row.chain[0] for row in records.stored_issuers() if row.chain}
    for issuer_id, fingerprint in known.items():
        issuer = issuers.get(issuer_id)
        problem = "no such issuer in the settings: signatures are not checked"
        if issuer is None and issuer_id in stored:
            problem = "the store's row of this issuer holds another CA than the one on record"
            der = stored[issuer_id]
            if hashlib.sha256(der).digest() == fingerprint:
                found[issuer_id] = x509.load_der_x509_certificate(der)
                continue
        if issuer is not None:
            path = ca_certificate_file(issuer, settings.server.data_dir)
            problem = f"{path} is not the CA on record: signatures are not checked"
            certificate = _ca_certificate(path)
            der = certificate.public_bytes(Encoding.DER) if certificate else b""
            if certificate is not None and hashlib.sha256(der).digest() == fingerprint:
                found[issuer_id] = certificate
                continue
        missing.append(Finding("issuer", shown(issuer_id), "", problem))
    rules = Rules(
        known=known,
        ca=found,
        profiles=_profiles(settings, records),
        partitions={each.number: each for each in records.crl_partitions()},
    )
    return rules, missing


def _ca_certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _profiles(settings: Settings, records: SqlRecords) -> dict[str, tuple[CertificateProfile, int]]:
    """Profiles whose last change is known. Of a file only the time of its editing is, not
    that of its reading, so what comes from files is not judged, and wins over the others.
    """
    known = {DEFAULT_PROFILE.id: (DEFAULT_PROFILE, 0)}
    for row in records.stored_profiles():
        try:
            profile = profile_of_document(row.id, row.document)
        except CertificateProfilesRefused:
            known.pop(row.id, None)
            continue
        known[row.id] = (profile, row.changed_us + _TAKEN_OVER_US)
    directory = settings.server.certificate_profiles_dir
    for path in directory.glob("*.toml") if directory else ():
        known.pop(path.stem, None)
    return known


def _certificates(
    records: SqlRecords, judges: _Judges, tally: Tally, stage: Stage
) -> Iterator[Finding]:
    total, done, after = records.row_total(), 0, ""
    while page := records.certificate_rows(after=after, limit=PAGE):
        noted: list[Noted] = []
        for row in page:
            found = read(row)
            if isinstance(found, Finding):
                yield found
                noted.append(_noted(row, None))
                continue
            yield from check(row, found, judges.rules)
            yield from judges.crls.check(row, found)
            yield from _unique(row, found, tally)
            noted.append(_noted(row, _names(row, found, judges.stand_in)))
        yield from _compromised(records, page)
        tally.note(noted)
        after = page[-1].id
        done += len(page)
        stage("certificates", done, max(done, total))


def _unique(row: CertificateRow, found: Read, tally: Tally) -> Iterator[Finding]:
    """By what the certificates themselves say: the table sees only its own column. The
    numbers of foreign CAs are their affair.
    """
    if row.source == CertificateSource.API:
        return
    number = found.serial.to_bytes(20, "big")
    other = tally.number(found.issuer, number, row.id)
    if other is not None:
        problem = f"its CA gave this serial number to {shown(other)} as well"
        yield Finding("duplicate", shown(row.id), f"{found.serial:x}", problem)


def _compromised(records: SqlRecords, page: Sequence[CertificateRow]) -> Iterator[Finding]:
    reason = RevocationReason.KEY_COMPROMISE.value
    stolen = [row for row in page if row.revocation_reason == reason]
    known = records.compromised([row.spki_sha256 for row in stolen]) if stolen else ()
    for row in stolen:
        if row.spki_sha256 not in known:
            problem = "its key is not on record as compromised: it could be certified again"
            yield Finding("key", shown(row.id), row.serial.hex().lstrip("0"), problem)


def _stand_in() -> StandIn:
    key = secrets.token_bytes(32)

    def number(name: bytes, kinds: int) -> int:
        digest = hashlib.blake2b(
            kinds.to_bytes(8, "big", signed=True) + name, key=key, digest_size=_NAME_OCTETS
        )
        return int.from_bytes(digest.digest(), "big")

    return number


def _names(row: CertificateRow, found: Read, stand_in: StandIn) -> int | None:
    """What the names of a certificate add up to; None where they cannot be read."""
    try:
        sans = decode_general_names(found.san) if found.san else ()
    except Failure:
        return None
    named = _Names(found.subject, tuple(map(str, sans)), row.principal)
    return sum(stand_in(name, kinds) for name, kinds in names_of(named).items())


def _noted(row: CertificateRow, names: int | None) -> Noted:
    return Noted(
        id=row.id,
        serial=row.serial.hex().lstrip("0"),
        revoked=row.status == "revoked",
        imported=row.source == CertificateSource.API,
        issued_us=row.issued_us,
        revoked_us=row.revoked_us or 0,
        names=names,
    )


def _repetitions(records: SqlRecords, tally: Tally) -> Iterator[Finding]:
    after = b""
    while page := records.repetition_rows(after=after, limit=PAGE):
        for row in page:
            # One issued since the certificates were read is in the store, not in the tally.
            found = row.certificate_id
            if not tally.has(found) and not records.on_record([found]):
                problem = "a repeated request is answered with a certificate not on record"
                yield Finding("repetition", shown(row.certificate_id), "", problem)
        after = page[-1].key


def _read_names(records: SqlRecords, tally: Tally, stand_in: StandIn) -> None:
    after = (b"", "")
    while page := records.name_rows(after=after, limit=PAGE):
        tally.name((row.certificate_id, stand_in(row.name, row.kinds)) for row in page)
        after = (page[-1].name, page[-1].certificate_id)


def _read_releases(records: SqlRecords, tally: Tally) -> None:
    after = ""
    while page := records.released_rows(after=after, limit=PAGE):
        tally.hold(page)
        after = page[-1].certificate_id


def _compare_names(both: Both, records: SqlRecords) -> Iterator[Finding]:
    noted = both.noted
    if noted is None or noted.names is None or noted.names == both.names:
        return
    # Retention may have dropped it since it was read.
    if records.on_record([noted.id]):
        problem = "the inventory does not know it by its names, or knows it by others"
        yield Finding("names", shown(noted.id), noted.serial, problem)


def _strangers(records: SqlRecords, tally: Tally) -> Iterator[Finding]:
    for each in tally.strangers():
        # One issued since the certificates were read is in the store, not in the tally.
        if not records.on_record([each]):
            problem = "names or a release on record of a certificate that is not"
            yield Finding("names", shown(each), "", problem)
