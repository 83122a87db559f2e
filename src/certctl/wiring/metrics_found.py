"""What ``/metrics`` says beyond what processes count: the records, and what ends when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509

from certctl.domain.api_keys import Visible
from certctl.domain.approval import RequestStatus
from certctl.domain.audit import Counter
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import crl_scope
from certctl.domain.crl_partitions import published
from certctl.domain.events import DeliveryStatus
from certctl.domain.intent import IntentStatus
from certctl.domain.ports import Records
from certctl.domain.profiles import profile_name
from certctl.domain.stored_issuers import IssuerState
from certctl.obs.metrics import families
from certctl.obs.metrics.families import Family
from certctl.obs.metrics.numbers import OTHER, Labels
from certctl.settings.schema import Settings
from certctl.trust.accepted import load_accepted
from certctl.trust.bundle import BundleRefused
from certctl.wiring.issuers import ca_certificate_file
from certctl.wiring.reload import trust_directory
from certctl.wiring.server_certificate import CERTIFICATE_FILE

Finds = dict[Family, dict[Labels, float]]

FILES_EVERY_US = 10 * SECOND_US
"""Certificates change once in weeks; a bundle may hold hundreds."""

WATCHED = (IntentStatus.OPEN, IntentStatus.LOST, IntentStatus.ORPHAN)
DEPTHS = (DeliveryStatus.WAITING, DeliveryStatus.DEAD)


def from_records(records: Records, settings: Settings) -> Finds:
    """A few short questions; series that are 0 are there, too.

    Raises:
        StoreUnavailable: the records cannot be read now.
    """
    found: Finds = {family: {} for family in families.FROM_RECORDS}
    profiles = [each.profile.path_id for each in settings.est.profiles]
    requests = found[families.EST_REQUESTS]
    requests.update(
        {(profile_name(each), label.value): 0 for each in profiles for label in Counter}
    )
    for (path_id, label), number in records.counts().items():
        labels = (profile_name(path_id) if path_id in profiles else OTHER, label.value)
        requests[labels] = requests.get(labels, 0) + number
    waiting = records.request_total(RequestStatus.WAITING, Visible())
    found[families.REQUESTS_WAITING] = {(): waiting}
    for standing, number in records.intent_numbers(WATCHED).items():
        found[families.INTENTS][standing.value,] = number
    channels = settings.events.channel_names()
    outbox = found[families.OUTBOX]
    outbox.update({(channel, status.value): 0 for channel in channels for status in DEPTHS})
    for (channel, status), number in records.outbox_depth().items():
        labels = (channel if channel in channels else OTHER, status.value)
        outbox[labels] = outbox.get(labels, 0) + number
    stored = _stored_chains(records, settings)
    for issuer_id, chain in stored.items():
        found.setdefault(families.CA_UNTIL, {})[issuer_id,] = _first_of(chain)
    _add_crls(found, records, [*(issuer.id for issuer in settings.issuers), *stored])
    for lease in records.leases():
        if lease.last_run_us:
            found[families.JOB_RUN][lease.job,] = lease.last_run_us / SECOND_US
            found[families.JOB_OK][lease.job,] = int(lease.outcome == "ok")
    return found


def _add_crls(found: Finds, records: Records, issuers: Sequence[str]) -> None:
    heads = records.crl_heads()
    partitions = published(records.crl_partitions())
    for issuer_id in issuers:
        crl = heads.get(issuer_id)
        if crl is None:
            continue
        found[families.CRL_SINCE][issuer_id,] = crl.this_update_us / SECOND_US
        found[families.CRL_UNTIL][issuer_id,] = crl.next_update_us / SECOND_US
        found[families.CRL_SIZE][issuer_id,] = crl.size
        scopes = (crl_scope(issuer_id, partition=each.number) for each in partitions)
        parts = [heads[scope] for scope in scopes if scope in heads]
        found[families.CRL_PARTITIONS][issuer_id,] = len(parts)
        if parts:
            since_us = min(each.this_update_us for each in parts)
            until_us = min(each.next_update_us for each in parts)
            found[families.CRL_PARTITIONS_SINCE][issuer_id,] = since_us / SECOND_US
            found[families.CRL_PARTITIONS_UNTIL][issuer_id,] = until_us / SECOND_US


def merged(one: Finds, other: Finds) -> Finds:
    """Of both, where both have series of a family."""
    return {
        family: {**one.get(family, {}), **other.get(family, {})}
        for family in dict.fromkeys((*one, *other))
    }


def _stored_chains(records: Records, settings: Settings) -> dict[str, tuple[bytes, ...]]:
    """Certificates (DER) of each issuer of the store that is published, by its id."""
    own = {each.id for each in settings.issuers}
    return {
        row.id: row.chain
        for row in records.stored_issuers()
        if row.chain and row.id not in own and row.state is not IssuerState.DELETED
    }


class FromFiles:
    """Certificates of this node, read anew every ten seconds; what cannot be is left out."""

    def __init__(self, settings: Settings, responders: Mapping[str, bytes], clock: Clock) -> None:
        """``responders``: certificates (DER) of those in use, by issuer id; may change."""
        self._settings = settings
        self._responders = responders
        self._clock = clock
        self._read_us = 0
        self._found: Finds = {}

    def found(self) -> Finds:
        now_us = self._clock()
        if not 0 <= now_us - self._read_us < FILES_EVERY_US:
            self._found = self._read()
            self._read_us = now_us
        return self._found

    def _read(self) -> Finds:
        found: Finds = {family: {} for family in families.FROM_FILES}
        server = self._settings.server
        for issuer in self._settings.issuers:
            path = ca_certificate_file(issuer, server.data_dir)
            found[families.CA_UNTIL].update(((issuer.id,), end) for end in _first_end(path))
        for issuer_id, der in [*self._responders.items()]:
            end = x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
            found[families.OCSP_UNTIL][issuer_id,] = end
        own = server.tls_cert_path or server.data_dir / CERTIFICATE_FILE
        found[families.SERVER_UNTIL].update(((), end) for end in _first_end(own))
        directory = trust_directory(server)
        for each in self._settings.est.profiles:
            if each.trust_bundle_path is None:
                continue
            try:
                anchors = load_accepted(directory, each.profile.path_id).bundle.anchors
            except (BundleRefused, OSError):
                continue
            labels = (profile_name(each.profile.path_id),)
            found[families.TRUST_ANCHORS][labels] = len(anchors)
            ends = [anchor.not_after_us / SECOND_US for anchor in anchors]
            if ends:
                found[families.TRUST_UNTIL][labels] = min(ends)
        return found


def _first_end(path: Path) -> Iterator[float]:
    """When the first of a file's certificates (PEM) expires; nothing where it has none."""
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return
    yield min(each.not_valid_after_utc.timestamp() for each in certificates)


def _first_of(chain: Iterable[bytes]) -> float:
    """When the first of these certificates (DER) expires."""
    return min(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp() for der in chain)
