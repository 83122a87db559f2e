"""``cert-check``: a pass over everything on record, beside a running server.

Rows come page by page and are forgotten; what must be compared across tables is counted
in a database on disk, so memory stays the same for any number. Certificates are read
before events: then the event of each is on record already. What only the events of the
time after the beginning name is left to the next pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.authority.certificate_check import Read, Rules, check, read
from certctl.domain.audit import AuditAction, Outcome
from certctl.domain.checkpoint import ChainHead
from certctl.domain.clock import SECOND_US
from certctl.domain.inspection import CertificateRow, EventRow, Finding
from certctl.domain.plain_text import shown
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.domain.revocation import RevocationReason
from certctl.settings.certificate_profiles import CertificateProfilesRefused, profile_of_document
from certctl.settings.schema import Settings
from certctl.store import SqlRecords
from certctl.store.tally import Both, Noted, Tally, Told
from certctl.wiring.issuers import ca_certificate_file

PAGE = 1_000

# Workers and authority take a stored profile over within a second.
_TAKEN_OVER_US = 5 * SECOND_US

Stage = Callable[[str, int, int], None]


def cert_check(settings: Settings, records: SqlRecords, stage: Stage) -> Iterator[Finding]:
    """Everything that does not fit, as it is found; ``stage`` is told the progress.

    Raises:
        StoreUnavailable: the store went away in the middle.
    """
    heads = records.chain_heads()
    rules, missing = _rules(settings, records)
    yield from missing
    with Tally() as tally:
        yield from _certificates(records, rules, tally, stage)
        yield from _repetitions(records, tally)
        expired_before_us = _count_events(records, heads, tally, stage)
        known_from_us = _known_from(records)
        for both in tally.all():
            yield from _compare(both, known_from_us, expired_before_us)


def _rules(settings: Settings, records: SqlRecords) -> tuple[Rules, list[Finding]]:
    known = records.ca_fingerprints()
    found: dict[str, x509.Certificate] = {}
    missing: list[Finding] = []
    issuers = {issuer.id: issuer for issuer in settings.issuers}
    for issuer_id, fingerprint in known.items():
        issuer = issuers.get(issuer_id)
        problem = "no such issuer in the settings: signatures are not checked"
        if issuer is not None:
            path = ca_certificate_file(issuer, settings.server.data_dir)
            problem = f"{path} is not the CA on record: signatures are not checked"
            certificate = _ca_certificate(path)
            der = certificate.public_bytes(Encoding.DER) if certificate else b""
            if certificate is not None and hashlib.sha256(der).digest() == fingerprint:
                found[issuer_id] = certificate
                continue
        missing.append(Finding("issuer", shown(issuer_id), "", problem))
    return Rules(known=known, ca=found, profiles=_profiles(settings, records)), missing


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
    records: SqlRecords, rules: Rules, tally: Tally, stage: Stage
) -> Iterator[Finding]:
    total, done, after = records.certificate_total(), 0, ""
    while page := records.certificate_rows(after=after, limit=PAGE):
        for row in page:
            found = read(row)
            if isinstance(found, Finding):
                yield found
                continue
            yield from check(row, found, rules)
            yield from _unique(row, found, tally)
        yield from _compromised(records, page)
        tally.note(map(_noted, page))
        after = page[-1].id
        done += len(page)
        stage("certificates", min(done, total), total)


def _unique(row: CertificateRow, found: Read, tally: Tally) -> Iterator[Finding]:
    """By what the certificates themselves say: the table sees only its own column."""
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


def _noted(row: CertificateRow) -> Noted:
    return Noted(
        id=row.id,
        serial=row.serial.hex().lstrip("0"),
        revoked=row.status == "revoked",
        imported=row.source == "API",
        issued_us=row.issued_us,
        revoked_us=row.revoked_us or 0,
    )


def _repetitions(records: SqlRecords, tally: Tally) -> Iterator[Finding]:
    after = b""
    while page := records.repetition_rows(after=after, limit=PAGE):
        for row in page:
            # One issued since the certificates were read is in the store, not in the tally.
            if not tally.has(row.certificate_id) and not records.certificate(row.certificate_id):
                problem = "a repeated request is answered with a certificate not on record"
                yield Finding("repetition", shown(row.certificate_id), "", problem)
        after = page[-1].key


def _count_events(
    records: SqlRecords, heads: Sequence[ChainHead], tally: Tally, stage: Stage
) -> int:
    """Gives the moment before which certificates had ended that retention dropped."""
    total, done, expired_before_us = sum(head.seq for head in heads), 0, 0
    for head in heads:
        after = 0
        while page := records.event_rows(head.node, after_seq=after, limit=PAGE):
            told = (_told(event, late=event.seq > head.seq) for event in page)
            tally.tell(each for each in told if each is not None)
            for event in page:
                if event.action == AuditAction.RECORD_RETENTION:
                    whole = records.events(node=head.node, after_seq=event.seq - 1, limit=1)
                    bound = whole[0].event.details.get("expired_before_us")
                    expired_before_us = max(expired_before_us, int(str(bound)))
            after = page[-1].seq
            done += len(page)
            stage("events", min(done, total), total)
    return expired_before_us


def _told(event: EventRow, *, late: bool) -> Told | None:
    if event.resource_type != "certificate" or not event.resource_id:
        return None
    revoked = event.action == AuditAction.CERTIFICATE_REVOKED
    issued = event.outcome == Outcome.SUCCESS and (
        event.action.endswith("_success") or event.action == AuditAction.CONFIG_CHANGED
    )
    if not revoked and not issued:
        return None
    return Told(
        id=event.resource_id,
        issued=int(issued),
        revoked=int(revoked and not late),
        late=int(late),
        time_us=event.time_us,
    )


def _known_from(records: SqlRecords) -> int:
    """From when on every chain has its events: retention may have dropped older ones."""
    first = [
        records.event_rows(stub.node, after_seq=stub.last_seq, limit=1) for stub in records.stubs()
    ]
    return max((rows[0].time_us for rows in first if rows), default=0)


def _compare(both: Both, known_from_us: int, expired_before_us: int) -> Iterator[Finding]:
    """One event for each issuance and at least one for each revocation, and no others.

    A row that was read before it was revoked has its event among the late ones.
    """
    noted, told = both
    if noted is None:
        if not told.late and told.time_us >= expired_before_us:
            problem = "audit events tell of a certificate that is not on record"
            yield Finding("missing", shown(told.id), "", problem)
        return

    def finding(problem: str) -> Finding:
        return Finding("events", shown(noted.id), noted.serial, problem)

    if told.issued == 0 and not noted.imported and noted.issued_us >= known_from_us:
        yield finding("no audit event tells of its issuance")
    if told.issued > 1:
        yield finding(f"{told.issued} audit events tell of its issuance")
    revocations = told.revoked + told.late
    if noted.revoked and not revocations and noted.revoked_us >= known_from_us:
        yield finding("revoked, and no audit event tells of it")
    if not noted.revoked and told.revoked:
        yield finding("audit events tell of its revocation, and it is not revoked")
