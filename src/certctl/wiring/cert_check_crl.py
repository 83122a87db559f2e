"""The newest CRL of each issuer against the records (``cert_check``, RFC 5280 §5).

Whoever had been revoked before it was made is on it, and nobody else is; where there are
delta CRLs, whoever was revoked since the full one is on that. The same of the CRL of a
partition and the certificates in it. Each is read anew, by another reader than the one that
its signer uses; one CRL at a time is held in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from certctl.authority.certificate_check import Read, Rules
from certctl.domain.clock import SECOND_US
from certctl.domain.crl import CrlRecord, crl_scope
from certctl.domain.crl_partitions import published
from certctl.domain.inspection import CertificateRow, Finding
from certctl.domain.plain_text import shown
from certctl.store import SqlRecords
from certctl.store.tally import Tally

SERIAL_OCTETS = 20

# Between the time a revocation carries and its commit; and what two clocks may differ.
_COMMIT_US = 5 * SECOND_US
_SKEW_US = 300 * SECOND_US


class Crls:
    """Make it before certificates are read, hand it each of them, then ask for the rest."""

    def __init__(self, records: SqlRecords, rules: Rules, tally: Tally) -> None:
        self._records = records
        self._rules = rules
        self._tally = tally
        self._listed: dict[str, CrlRecord] = {}
        self._urls: dict[str, str] = {}
        several = len(records.chain_heads()) > 1
        self._margin_us = _SKEW_US if several else _COMMIT_US

    def load(self) -> Iterator[Finding]:
        """Read each; what cannot be read is found, and judges nothing."""
        for issuer_id, scope in self._scopes():
            found = self._whole(scope)
            if found is None:
                continue
            crl, der = found
            problem = self._take(issuer_id, crl, der)
            if problem:
                yield Finding("crl", shown(scope), "", f"CRL {crl.number}: {problem}")

    def check(self, row: CertificateRow, found: Read) -> Iterator[Finding]:
        """Whether a revoked certificate is on its issuer's CRL, and on its partition's."""
        if row.status != "revoked":
            return
        if row.crl_partition is not None:
            scope = crl_scope(row.issuer_id, partition=row.crl_partition)
            yield from self._missing(row, found, scope)
        yield from self._missing(row, found, row.issuer_id)
        yield from self._missing_change(row, found)

    def _scopes(self) -> Iterator[tuple[str, str]]:
        """Of every issuer, with its id; also those that have no CRL now."""
        partitions = published([*self._rules.partitions.values()])
        for each in self._rules.known:
            yield each, each
            yield each, crl_scope(each, delta=True)
            for row in partitions:
                scope = crl_scope(each, partition=row.number)
                self._urls[scope] = row.url(each)
                yield each, scope

    def _missing(self, row: CertificateRow, found: Read, scope: str) -> Iterator[Finding]:
        crl = self._listed.get(scope)
        if crl is None:
            return
        listed = self._tally.meet(scope, _octets(found.serial))
        before = (row.revoked_us or 0) < crl.this_update_us - self._margin_us
        # One that has ended may be left out once it stood on a scheduled CRL after that.
        if not listed and before and row.not_after_us >= crl.scheduled_us:
            problem = f"revoked, and not on CRL {crl.number} of {shown(scope)}"
            yield Finding("crl", shown(row.id), f"{found.serial:x}", problem)

    def _missing_change(self, row: CertificateRow, found: Read) -> Iterator[Finding]:
        crl = self._listed.get(row.issuer_id)
        delta = self._listed.get(crl_scope(row.issuer_id, delta=True))
        if crl is None or delta is None:
            return
        listed = self._tally.meet(row.issuer_id, _octets(found.serial))
        on_delta = self._tally.meet(delta.scope, _octets(found.serial))
        since = crl.this_update_us <= (row.revoked_us or 0) < delta.this_update_us - self._margin_us
        if not listed and not on_delta and since:
            problem = f"revoked, and not on delta CRL {delta.number} of {shown(row.issuer_id)}"
            yield Finding("crl", shown(row.id), f"{found.serial:x}", problem)

    def rest(self) -> Iterator[Finding]:
        """What is on a CRL and was not met: released since, or a finding."""
        for scope, serial in self._tally.unmet():
            crl = self._listed[scope]
            # No issuer's id has a slash.
            issuer_id = scope.partition("/")[0]
            now = self._records.standing_of(issuer_id, serial)
            if now is not None and now.status == "revoked":
                continue
            released_us = now.released_us if now is not None else None
            if released_us is not None and released_us > crl.this_update_us - self._margin_us:
                continue
            what = "it is not revoked" if now is not None else "no such certificate is on record"
            problem = f"on CRL {crl.number} of {shown(scope)}, and {what}"
            name = shown(now.certificate_id) if now is not None else ""
            yield Finding("crl", name, serial.hex().lstrip("0") or "0", problem)

    def _whole(self, scope: str) -> tuple[CrlRecord, bytes] | None:
        """Octets that cannot be had are left out; the digest then does not fit."""
        while True:
            crl = self._records.crl(scope)
            if crl is None:
                return None
            parts = [self._records.crl_part(scope, crl.number, part) for part in range(crl.parts)]
            again = self._records.crl(scope)
            # A newer one has taken its place meanwhile, and its parts may be gone.
            if again is not None and again.number == crl.number:
                return crl, crl.seal.around(b"".join(each or b"" for each in parts))

    def _take(self, issuer_id: str, crl: CrlRecord, der: bytes) -> str:
        """Gives what is wrong with it, if anything; else its entries are in the tally."""
        tbs = der[len(crl.seal.front) : len(der) - len(crl.seal.back)]
        if hashlib.sha256(tbs).digest() != crl.digest:
            return "its octets are not those that were signed"
        try:
            read = x509.load_der_x509_crl(der)
            number = read.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            base, point = _base(read), _point(read)
            entries = read if base is None else (each for each in read if not _removes(each))
            serials = [_octets(entry.serial_number) for entry in entries]
        except (ValueError, OverflowError, UnsupportedAlgorithm, x509.ExtensionNotFound) as err:
            return f"it cannot be read: {shown(str(err))}"
        if number != crl.number:
            return f"it says that it is number {number}"
        if (base is not None) is not (crl.scope == crl_scope(issuer_id, delta=True)):
            return "it is a full CRL in place of a delta CRL, or the other way round"
        wanted = self._urls.get(crl.scope)
        if point != ([wanted] if wanted else None):
            return f"it is not for what names {shown(wanted or 'the whole issuer')}"
        ca = self._rules.ca.get(issuer_id)
        # That a CA's certificate is not at hand is said once, where certificates are checked.
        if ca is not None and not _is_signed_by(read, ca):
            return "it is not signed by its CA"
        self._listed[crl.scope] = crl
        self._tally.list(crl.scope, serials)
        return ""


def _removes(entry: x509.RevokedCertificate) -> bool:
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            return extension.value.reason is x509.ReasonFlags.remove_from_crl
    return False


def _base(crl: x509.CertificateRevocationList) -> int | None:
    try:
        found = crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    except x509.ExtensionNotFound:
        return None
    return found.value.crl_number


def _point(crl: x509.CertificateRevocationList) -> list[str] | None:
    """What the certificates that it is for name; None: it is for all."""
    try:
        found = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    except x509.ExtensionNotFound:
        return None
    return [str(name.value) for name in found.value.full_name or ()]


def _is_signed_by(crl: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    try:
        return crl.issuer == ca.subject and crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _octets(serial: int) -> bytes:
    return serial.to_bytes(SERIAL_OCTETS, "big")
